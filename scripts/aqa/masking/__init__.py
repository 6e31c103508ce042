"""Scoreboards: boxes proposed for a person to review, and proof that what models receive hides them.

`reader` reads words in pictures (tesseract), `footage` gives pictures of a source, `edges` and `boxes` find
what stays in place while the camera moves, `propose` joins edges and words to boxes for each source, `sheet`
shows them to a person, `verify` reads the clips before and after masking, `verdicts` is what that says,
`copies` writes a masked copy of a source.
"""
