"""English words that say nothing about what a recording is about. Written for this."""

from typing import Final

ENGLISH: Final = frozenset(
    # articles, pronouns, prepositions, conjunctions
    """
    a about above across after again against all almost along already also although
    always am among an and another any anybody anyone anything anyway are aren't around
    as at away be because been before behind being below beside besides between beyond
    both but by can can't cannot could couldn't did didn't do does doesn't doing don't
    done down during each either else enough even ever every everybody everyone
    everything except few for from further had hadn't has hasn't have haven't having he
    he'd he'll he's hence her here here's hers herself him himself his how how's however
    i i'd i'll i'm i've if in indeed instead into is isn't it it'd it'll it's its itself
    just least less let let's many may maybe me might mine more most much must mustn't
    my myself near neither never no nobody none nor not nothing now of off often on once
    one ones only onto or other others otherwise ought our ours ourselves out over own
    per perhaps quite rather same shall she she'd she'll she's should shouldn't since so
    some somebody someone something sometimes somewhat somewhere still such than that
    that'd that'll that's the their theirs them themselves then there there'd there'll
    there's therefore these they they'd they'll they're they've this those though
    through throughout thus till to together too toward towards under unless until up
    upon us very was wasn't we we'd we'll we're we've were weren't what what's whatever
    when when's whenever where where's whereas wherever whether which whichever while
    who who'd who'll who's whoever whole whom whose why why's will with within without
    won't would wouldn't yet you you'd you'll you're you've your yours yourself
    yourselves
    """.split()  # noqa: SIM905  (a list for people)
    # what people say while they talk
    + """
    ah basically bit certainly come comes coming course cool definitely exactly fact
    feel get gets getting give given gives go goes going gonna good got gotta great
    guess guy guys happen happened happens hello hey hi hmm honestly hope huh kind kinda
    know known knows last like literally little look looked looking looks lot lots made
    make makes making mean means mhm mm need needs new next nice oh ok okay people point
    pretty probably put really right said saw say saying says see seem seems seen sense
    show somehow sort speak start started stuff sure take takes taking talk talked
    talking tell thank thanks thing things think thinking thought time times told took
    totally tried try trying uh um use used uses using wanna want wanted wants way ways
    well went whatnot work works yeah year years yep yes
    """.split()  # noqa: SIM905  (a list for people)
    # numbers, and how much of something
    + """
    able actual actually back better big billion couple day days different early eight
    example first five four half higher hundred important interesting large late later
    long lower million nine old second seeing seven several six small ten third thousand
    three today tomorrow two week weeks yesterday
    """.split()  # noqa: SIM905  (a list for people)
)
"""Lower case; with the short forms that speech recognition writes."""
