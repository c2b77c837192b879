"""The LoRAs of the demo, as data."""

from dataclasses import dataclass

from catalog.demo.stage import Card
from catalog.models.job import JobStatus


@dataclass(frozen=True, slots=True)
class LoraCard:
    """One training job.

    Attributes:
        name: ``config.loraName``.
        trigger: The word that calls it up in a prompt.
        subject: What its pictures show; becomes captions and tag frequencies.
        scene: How its training pictures are drawn.
        card: What any job has.
        base_model: As trainers name it.
        versions: How many results there are.
        dataset_images: Training pictures that were kept.
    """

    name: str
    trigger: str
    subject: str
    scene: str
    card: Card
    base_model: str = "flux1-dev"
    versions: int = 1
    dataset_images: int = 0


LORAS = (
    LoraCard(
        "jesse_avatar",
        "jf",
        "head and shoulders of jf, plain background",
        "portrait",
        Card(
            "user123",
            212.0,
            tags=("avatar", "headshot", "professional"),
            description="Jesse professional headshot avatar",
        ),
        versions=3,
        dataset_images=10,
    ),
    LoraCard(
        "seo_workshop_style",
        "seowk",
        "flat geometric slide in workshop colours",
        "shapes",
        Card(
            "user123",
            96.4,
            tags=("seo workshop", "brand", "slides"),
            description="Look of all slides of the SEO Workshop Campaign",
        ),
        versions=2,
        dataset_images=8,
    ),
    LoraCard(
        "ember_landscapes",
        "embrls",
        "glowing hills under an orange sky",
        "sunset",
        Card(
            "user123",
            318.7,
            tags=("landscape", "sunset"),
            description="Warm evening hills, trained for the fire season report",
            is_public=True,
        ),
        base_model="sdxl_base_v1-0",
        versions=4,
        dataset_images=8,
    ),
    LoraCard(
        "paper_forest",
        "pprfrst",
        "layered pine forest cut from paper",
        "forest",
        Card(
            "user123",
            150.2,
            tags=("forest", "paper-cut", "illustration"),
            description="Layered pines as if cut from paper",
        ),
        versions=2,
    ),
    LoraCard(
        "night-harbor-v2",
        "nghrb",
        "harbour skyline at night with lit windows",
        "skyline",
        Card(
            "user123",
            44.9,
            tags=("city", "night"),
            description="City lights by the water",
        ),
        dataset_images=6,
    ),
    LoraCard(
        "anna_portrait",
        "annap",
        "portrait of annap in soft light",
        "portrait",
        Card(
            "user456",
            275.3,
            tags=("portrait", "avatar"),
            description="Anna for the newsletter",
        ),
        versions=2,
        dataset_images=7,
    ),
    LoraCard(
        "retro_planets",
        "rtrplnt",
        "big striped planet with a ring, space poster",
        "planet",
        Card(
            "user456",
            187.0,
            tags=("space", "poster", "retro"),
            description="Travel posters to places without air",
            is_public=True,
        ),
        base_model="sdxl_base_v1-0",
        versions=3,
    ),
    LoraCard(
        "calm_waves",
        "clmwv",
        "quiet sea with rolling waves",
        "waves",
        Card("user456", 61.5, tags=("sea", "background")),
        versions=1,
    ),
    LoraCard(
        "mandala_lines",
        "mndln",
        "symmetric mandala flower",
        "mandala",
        Card(
            "user789",
            240.1,
            tags=("pattern", "mandala"),
            description="Colouring book ornaments",
            is_public=True,
        ),
        versions=2,
    ),
    LoraCard(
        "glass_bottles",
        "glsbt",
        "glass bottle on a table, studio light",
        "bottle",
        Card(
            "user789",
            129.6,
            tags=("product", "c++ meetup"),
            description="Product shots of bottles for the meetup sponsor",
        ),
        dataset_images=6,
    ),
    LoraCard(
        "newsletter_forest",
        "nwsfor",
        "misty pine forest in two colours",
        "forest",
        Card(
            "user456",
            20.7,
            tags=("forest", "newsletter", "background"),
            description="Quiet header pictures for the newsletter",
        ),
        base_model="sdxl_base_v1-0",
        versions=2,
    ),
    LoraCard(
        "moonrise_poster",
        "mnrps",
        "large moon over a dark horizon, screen print",
        "planet",
        Card(
            "user789",
            352.5,
            tags=("poster", "night"),
            description="Screen prints of the moon over the marsh",
            is_public=True,
        ),
        versions=3,
    ),
    LoraCard(
        "jesse_casual",
        "jfcas",
        "jfcas outdoors, casual clothes",
        "portrait",
        Card(
            "user123",
            0.02,
            JobStatus.PROCESSING,
            tags=("avatar", "casual"),
            description="Second look for Jesse",
        ),
    ),
    LoraCard(
        "workshop_mascot",
        "wkmsc",
        "round mascot with a magnifying glass",
        "shapes",
        Card("user123", 0.005, JobStatus.QUEUED, tags=("seo workshop", "mascot")),
    ),
    LoraCard(
        "blurry_product",
        "blrpd",
        "small bottle, out of focus",
        "bottle",
        Card(
            "user456",
            33.3,
            JobStatus.FAILED,
            tags=("product",),
            error="No sharp frame was found in the source video.",
        ),
    ),
    LoraCard(
        "old_town_test",
        "oldtw",
        "old town skyline in fog",
        "skyline",
        Card("user789", 78.8, JobStatus.CANCELLED, tags=("city", "test")),
    ),
)
