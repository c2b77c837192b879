"""Further recordings of the demo: file name, card, lines. All texts are our own."""

from catalog.demo.stage import Card

_LIGHT = """
A: Episode two, and as promised we talk about light. Have you brought the lamp?
B: I have brought a bed sheet, which is the better lamp. Hang it in the window and the
   hardest sun turns into a soft box for the price of laundry.
A: Explain that to somebody who has never heard the words soft and hard about light.
B: Hard light comes from something small and far, so the edge of a shadow is sharp. Soft
   light comes from something large and near, and the edge is a gradient.
A: So the size of the source is all that counts?
B: The size as seen from the face. The sun is huge, but it is far away, so it is hard.
A: I once lit a whole kitchen scene with a refrigerator door.
B: And it was lovely, apart from the hum. We had to replace every word in the edit.
A: That brings us to a listener's question. Should a beginner buy a second camera or a
   first light?
B: A light. Always a light. Two cameras in the dark give you two dark pictures.
A: Next time: the script, and why nobody has read it.
"""

_ENGINE = """
A: Today's guest has kept old ferries running for thirty years. What does an engine
   tell you before it breaks?
B: It changes its voice. A healthy diesel has a steady knock, and when one cylinder
   falls behind you hear a limp.
A: And then you stop?
B: Then you look at the exhaust. Black smoke is too much fuel, white smoke is water,
   blue smoke is oil. Each has its own bill.
A: What is the worst that happened to you at sea?
B: We lost the cooling pump in a storm, with two hundred people on board. We cut a belt
   from a fire hose and crossed the bay at a walking pace.
A: Do the new hybrid ferries still need people like you?
B: More than ever. The battery is quiet, and quiet machines hide their troubles. I
   listen with a laptop now, but I still listen.
A: What would you tell a young mechanic?
B: Write everything down. Memory is the first part that wears out.
"""

_COOKING = """
A: In this recording we test the text for the bread video, so please read slowly.
B: Flour, water, salt and time. The dough rests for twelve hours in the fridge, and the
   cold gives it its taste.
A: People will ask why the water has to be weighed.
B: Because a cup is not a cup. Ten grams more or less decide whether the dough stands up
   or runs off the board.
A: And if it runs off the board?
B: Then you call it focaccia, add olive oil, and nobody complains.
A: How do I know that it is done?
B: Knock on the bottom. A finished loaf sounds hollow, like a small drum.
A: Lovely. We keep the knock as the sound of the intro.
"""

_SUPPORT = """
A: Thank you for calling, my name is Priya. How can I help?
B: Hello. I ordered a train ticket for two and got one seat in coach five and one in
   coach nine.
A: I am sorry about that. May I have the booking number, please?
B: It is seven, four, Kilo, nine, two.
A: Thank you. I can see both seats. There are two places side by side in coach three, at
   a table. Would that suit you?
B: That would be perfect. Does it cost anything?
A: No. The change is free, and you will have the new ticket by mail in a minute.
B: Wonderful. And can I take my bicycle along?
A: Bicycles need a reservation on this line. I have added one for you, it is in the same
   message.
B: Then everything is settled. Thank you, Priya.
"""

_BIRDS = """
A: We are standing at the edge of the reed bed, it is ten to five, and the first bird is
   already awake.
B: That is a sedge warbler. It never repeats a phrase exactly, as if it were making
   everything up on the spot.
A: And behind it, the deep note?
B: A bittern. You feel it more than you hear it. There are four in this marsh, after
   none at all for forty years.
A: What changed?
B: The water. When the drains were closed the reeds came back, with the reeds the fish,
   and with the fish the birds. Nobody had to carry anything here.
A: How do you count something that hides so well?
B: By voice. Three people listen from three places and note the direction, and where the
   lines cross there is a bird.
A: Is the dry summer a danger? We had smoke from the heath fires here last August.
B: The marsh itself does not burn easily. The heath around it does, and that is where
   the nightjars breed, so we worry about it every year.
C: Sorry to interrupt. There is an otter by the boardwalk, if you are quick.
A: We are quick.
"""

MORE_TALKS = (
    (
        "podcast-ep-02.mp3",
        Card(
            "user123",
            302.2,
            tags=("podcast", "filmmaking"),
            description="Second episode: light",
            is_public=True,
        ),
        _LIGHT,
    ),
    (
        "ferry-engineer-interview.wav",
        Card(
            "user456",
            246.6,
            tags=("interview", "engineering"),
            description="Thirty years of old engines",
            is_public=True,
        ),
        _ENGINE,
    ),
    (
        "bread-video-read-through.m4a",
        Card("user456", 73.9, tags=("cooking", "script")),
        _COOKING,
    ),
    (
        "support-call-0417.wav",
        Card(
            "user789",
            28.1,
            tags=("support", "call"),
            description="Example call for training new colleagues",
        ),
        _SUPPORT,
    ),
    (
        "dawn-chorus-marsh-walk.mp3",
        Card(
            "user789",
            155.5,
            tags=("nature", "interview"),
            description="Before sunrise in the reed bed",
            is_public=True,
        ),
        _BIRDS,
    ),
)
