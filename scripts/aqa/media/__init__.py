"""Media: exactly the frames that a model sees, chosen once by us and stored a ZIP a clip.

`profile` says which frames, `decode` finds and decodes them, `stills` reads images, `picture` turns a
decoded frame into an upright JPEG, `store` keeps the frames of a clip, `clips` makes the clips of one
source, `prepare` makes those of a dataset in parallel and writes the manifest, `encode` makes a video
file of stored frames for models that take one.
"""
