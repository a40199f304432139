"""Models of the page's stories, beside those that ship with mlxq: three that say much, and one that speaks."""

from pathlib import Path

from tests.support.saying import saying
from tests.support.tts_checkpoints import random_qwen3_tts

#: What `talker` says first.
MARKUP = [
    '<img src="nothing" onerror="hacked=1">',
    "<script>hacked=1</script> ",
    "[link](javascript:hacked=1) ",
    "![picture](http://192.0.2.1/picture.png) ",
    "**bold**",
    "\n\n```python\nprint('code')\n```\n\n",
]
#: What it says then: enough to load the page again before the end.
WORDS = [f"w{number} " for number in range(600)]
#: A name that is dangerous where it becomes markup.
DANGEROUS = "<b id=hurt>model<"


def make_models(root: Path) -> Path:
    """`talker`; `rambler`, which never ends; `DANGEROUS`; and `speaker`, with the voices `vivian` and `ryan`."""
    saying(root / "talker", [*MARKUP, *WORDS])
    saying(root / "rambler", WORDS, endless=True)
    saying(root / DANGEROUS, ["Hello."])
    random_qwen3_tts(root / "speaker", "custom_voice")
    return root
