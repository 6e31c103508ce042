"""Media: exactly the frames that a model sees, chosen once by us and stored a ZIP a clip.

`target` says what is made, `profile` which frames, `decode` finds and decodes them, `stills` reads images,
`picture` turns a decoded frame into an upright JPEG, `masks` fills boxes, `represent` and `draw` cut and
draw, `look` does all that once a frame however many clips and representations want it. `clips` plans the
clips of one source, `draft` writes them, `passes` decodes them, `recipe` knows when one must be made again,
`workers` runs that in processes, `prepare` does a dataset. `store` keeps the frames of a clip, `encode`
makes a video file of them for models that take one.
"""
