"""The recordings of the demo, as data: who said what. All texts are our own."""

from dataclasses import dataclass

from catalog.demo.stage import Card
from catalog.demo.talks_more import MORE_TALKS
from catalog.models.job import JobStatus


@dataclass(frozen=True, slots=True)
class TalkCard:
    """One transcription job.

    Attributes:
        file_name: ``sourceVideo.filename``.
        card: What any job has.
        lines: ``A: what was said``, one a line; empty for jobs without a result.
        versions: How often it was transcribed.
    """

    file_name: str
    card: Card
    lines: str = ""
    versions: int = 1


_WILDFIRES = """
A: Good morning, this is the regional desk. For the third day in a row the air over the
   valley is the colour of weak tea, and the monitors at the school are well above the
   level at which children should stay inside.
B: That is right. The smoke reaches us from wildfires that burn more than two hundred
   miles to the north, and the wind has not changed since Tuesday.
A: For listeners who have just joined: what is in that smoke, and why does it travel
   so far?
B: Mostly very fine particles, smaller than a thirtieth of a hair. Because they are so
   light, a plume that rises high enough can cross several states before it comes down.
A: And in our bodies?
B: They go deep into the lungs, and the smallest of them into the blood. People with
   asthma or a weak heart notice it first, but nobody should run in this.
A: What do you tell people who have to work outdoors?
B: A mask that seals well, longer breaks, and clean air at night. One room with a good
   filter does more than a whole house with the windows shut.
A: The forest service says that wildfires start earlier in the year than they did a
   generation ago. Do your measurements show that?
B: They do. In our oldest records the first bad day came in late July. In the past ten
   years it came in May four times.
A: When will we see blue sky again?
B: The forecast has a cold front on Friday. Rain would be better, but a steady west
   wind would already push most of the smoke away from us.
A: Thank you. We will read the numbers again at noon.
"""

_PODCAST = """
A: Welcome to episode one. We are two people who make small films, and this is a show
   about everything that goes wrong before the camera rolls.
B: And about what we do when it has gone wrong. Which is most of the work, really.
A: Let us begin with sound. Last spring we rented a church for a short documentary, and
   the echo was longer than our opening scene.
B: Six seconds. I clapped once and we had time to discuss whether that was a good idea.
A: So what did we do?
B: We hung blankets. Eleven of them, borrowed from three neighbours and one very patient
   removal company.
A: It worked, mostly. The lesson for a beginner is that a cheap microphone close to the
   speaker beats an expensive one at the far end of the room.
B: And record a minute of silence in every place. You will need it in the edit, and
   nobody ever remembers.
A: Somebody wrote to ask which avatar tool we use for the trailer. We trained a small
   model on our own faces, it took half an hour, and the result is good enough for a
   thumbnail.
B: Good enough for your thumbnail. Mine looks as if I had slept in a cupboard.
A: Next week we talk about light. Until then, take your blankets along.
"""

_WORKSHOP = """
A: Thanks for coming to the planning call of the SEO workshop. We have eight weeks, one
   landing page and no budget for a second one.
B: Then the page has to do two things. It must answer the question that people type, and
   it must make them leave an address.
C: From the search console I can tell you the question. Four of five visitors type some
   form of how long does it take to rank.
A: Do we have an honest answer?
C: Between three and nine months for a new site. Everything faster is luck or a paid ad.
B: I would put that sentence at the very top. Honest numbers are rare, and people
   link to them.
A: Good. What about pictures?
B: We have the campaign style ready. Flat shapes, teal and violet, and Jesse's avatar on
   the speaker page.
C: Please compress them. The last banner had four megabytes and cost us a second and a
   half on a phone.
A: Who writes the checklist?
C: I do. Titles, headings, internal links, structured data, and what to measure on the
   first day so that there is something to compare with.
A: Perfect. We meet again on Thursday, and the campaign goes live on the first.
"""

TALKS = (
    TalkCard(
        "wildfires-regional-desk.mp3",
        Card(
            "user123",
            187.4,
            tags=("interview", "radio", "air quality"),
            description="Morning interview about smoke in the valley",
        ),
        _WILDFIRES,
    ),
    TalkCard(
        "podcast-ep-01.mp3",
        Card(
            "user123",
            330.0,
            tags=("podcast", "filmmaking"),
            description="First episode: sound",
            is_public=True,
        ),
        _PODCAST,
        versions=2,
    ),
    TalkCard(
        "seo-workshop-planning.mp4",
        Card(
            "user123",
            101.8,
            tags=("seo workshop", "meeting"),
            description="Planning call of the SEO Workshop Campaign",
        ),
        _WORKSHOP,
    ),
    *(TalkCard(file_name, card, lines) for file_name, card, lines in MORE_TALKS),
    TalkCard(
        "podcast-ep-04.mp3",
        Card("user123", 0.015, JobStatus.PROCESSING, tags=("podcast",)),
    ),
    TalkCard("board-meeting.m4a", Card("user456", 0.002, JobStatus.QUEUED)),
    TalkCard(
        "silent-screen-capture.mov",
        Card(
            "user789",
            140.0,
            JobStatus.FAILED,
            tags=("test",),
            error="The file has no audio track.",
        ),
    ),
)
