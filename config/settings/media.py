"""Which images, recordings and texts are accepted."""

from pydantic import Field

from config.settings.group import Group
from config.values import Seconds


class MediaSettings(Group):
    """Which images, recordings and texts are accepted."""

    max_images: int = Field(
        default=32,
        ge=1,
        le=1_000,
        description="Images that one request may have.",
    )
    max_image_mb: float = Field(
        default=20,
        gt=0,
        le=1_024,
        description="Largest image, as a file, in MB; in chats what is sent is bounded by `MAX_BODY_MB` too.",
    )
    max_image_megapixels: float = Field(
        default=50,
        gt=0,
        le=89,
        description="Largest image, in millions of pixels.",
    )
    image_fetch_timeout: Seconds = Field(
        default=10,
        gt=0,
        le=600,
        description="How long an image may take that is fetched from its address.",
    )
    allow_private_urls: bool = Field(
        default=False,
        description="Fetch images also from this machine and from private networks.",
    )
    max_audio_mb: float = Field(
        default=200,
        gt=0,
        le=10_240,
        description="Largest recording that is sent, in MB; in base64 it takes a third more.",
    )
    max_audio_seconds: Seconds = Field(
        default=4 * 3600,
        gt=0,
        le=86_400,
        description="Longest recording.",
    )
    max_speech_characters: int = Field(
        default=4096,
        ge=1,
        le=1_000_000,
        description="Longest text that is spoken by one request.",
    )
    max_reference_seconds: Seconds = Field(
        default=60,
        gt=0,
        le=600,
        description="Longest recording of a voice to speak with.",
    )
    strict: bool = Field(
        default=False,
        description="Refuse images that are sent to a model without sight, instead of leaving them out with a "
        "`warning` header.",
    )

    @property
    def max_image_bytes(self) -> int:
        return int(self.max_image_mb * 1024 * 1024)

    @property
    def max_audio_bytes(self) -> int:
        return int(self.max_audio_mb * 1024 * 1024)
