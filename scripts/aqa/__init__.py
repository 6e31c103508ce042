"""vlm-aqa: can vision-language models judge how well a movement was performed?

The library behind the workflow. It knows nothing of Snakemake; imports run one way
(reporting -> scoring -> inference -> models, prompts -> media, pose -> datasets -> config).
"""

__version__ = "0.1.0"
