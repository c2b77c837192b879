"""English words that name nothing by themselves, though they may be part of a name.

A *list* says nothing about what a recording is about, a *mailing list* does. Chosen by
hand from what is said in many of some hundred real talks and meetings, whatever they
are about; adverbs in *-ly* are told by their ending (``spoken_words``).
"""

from typing import Final

ENGLISH_GENERAL: Final = frozenset(
    """
    ability access according account achieve acknowledge act activity add added
    adding additional adds advantage afternoon afternoons age ago agree agreed aha
    ahead alas allow allowed allows alright alternative altogether amazing amount
    amounts answer answered answers anymore anyways anywhere apart apply approach
    april area areas argument arrive arrived aside ask asked asking asks aspect
    aspects assume assuming attempt attitude august available average avoid aware
    awesome background bad base based basic basis become becomes becoming began
    begin beginning begins begun behavior behaviour believe believed believes belong
    benefit benefits best bigger biggest bill bite bits bottom bought boy boys break
    briefly bright brilliant bring bringing brings broke broken brought build
    building builds built bunch busy buy buying bye call called calling calls came
    care careful cares carried carry case cases catch caught cause center centre
    century certain challenge chance change changed changes changing chapter
    character chatting cheap check checked checks cheers choice choose chose chosen
    clean clear clever click close closed closer closing cold comfortable comment
    common compare compared complete complex complicated concept concern concerned
    concerns congrats congratulations connect connected connection consider
    considered content context continue continued control conversation conversations
    core corner correct count cover crazy create created creates creating critical
    cross crosstalk curious current curve cut cute cuts cutting dark dead deal
    dealing decade december decide decided decides deciding decision deep deeply
    default define degree depending depends describe described designed detail
    details develop developing difference differences difficult direct direction
    discuss discussed discussion double dozen dozens draw drawn drew drop dropped
    dry dude dull earlier ease easier easily easy eat eats edge effect effective
    effects effort eighty element elements eleven empty encourage end ends enjoy
    enjoyed ensure entire entry episode episodes equal evening event events everyday
    everywhere evidence exact examples excited exciting exist existence existing
    exists expect expectation expected expensive experience experienced experiences
    explain explained explains explore express extend extra extremely factor factors
    facts fail failed fails fair fairly fall fallen false familiar famous fantastic
    far fascinating fast faster favorite favourite feature features february feeling
    feelings feels fell felt field fields fifteen fifty figure figured fill filled
    final find finding finds fine firstly fit fix fixed flew flexible focus focused
    folks follow followed following forever forget forgot forgotten form format
    forms forth forty forward found fraction frankly fresh friday friend friends
    front full fun function functions fundamental funny future gain gave general
    gentleman gentlemen girl girls giving glad goal goals gone goodbye grand
    grateful grew group groups grow grown guest guests guide hand handle handled
    hands hang happening happy hard harder hate hated head hear heard hears heavy
    held help helped helpful helping helps hide hides high highly hit hits hold
    holds honest hooray host hosts hot hour hours huge hundreds hurt idea ideal
    ideas identify imagine impact impossible improve improved inaudible include
    included includes including increase increased increasing incredible independent
    individual information initial input inputs inside instance instant intend
    intense intention interaction interest interested interests internal intro
    involve involved issue issues item items january job join joined joke jokes july
    june keep keeping keeps kept key keys kid kinds knew knock knowing knowledge
    lack ladies lady largely larger laugh laughed laughing laughs laughter lay lead
    leads learn learned learnt leave leaves leaving left lets level levels lie lies
    life likely limit limited line lines link list listen listened listener
    listeners listening listens listing lists live lived lives living local location
    longer lose loses losing lost loud love loved lovely loves loving low luck lucky
    mad main mainly maintain major majority man manage management manner march
    matter matters meaning meant measure medium meet meeting meets men mention
    mentioned mentions mess met method methods middle midnight millions mind minute
    minutes miss missed missing mistake mistakes modern moment moments monday month
    months morning mornings mostly move moved moves moving multi multiple name named
    names narrow natural nearby neat necessarily necessary needed net night nights
    ninety non noon normal note notes notice noticed november nowadays number
    numbers object objects obvious occur occurs october odd offer offered open
    opened opens operate operating opinion opportunity opposed opposite option
    options order original outcome output outputs outside overall overview pace paid
    pair part particular partly parts pass past pattern patterns pay percent perfect
    period person personal persons perspective phase pick picked picks piece pieces
    place places plain plan plans play played playing plays please plenty plug plus
    points poor popular position positive possibilities possibility possible post
    potential practice pre prefer prepare presence present pressure previous
    primarily problem problems procedure process processes processing produce
    progress projects proper properly properties property provide provided provides
    providing pull pulled purpose push pushed puts putting quantity quarter question
    questions quick quickly quiet raise raised raising ran randomly range rare rate
    reach reached reaches reaction read reading reads ready real realise realised
    reality realize realized reason reasonable reasons receive received recent
    recommend reduce regarding regardless regular related relation relations
    relationship relationships relevant remain remains remember remembered remembers
    remove removed repeat replace replaced represent represents require required
    requirement requirements requires respond response rest result results return
    review rich rid role roles room rough roughly round rule rules run running runs
    sad safe sat saturday save saved saves scale scary scenario scenarios seconds
    section sections self sell selling send sending sends sent separate september
    serious set sets setting seventy shape share shared sharing sharp shift shifted
    short shows shut sick side sides significant silent silly similar simple simply
    single sir sit sits sitting situation situations sixteen sixty size sizes slept
    slight slightly slow slowly smaller smallest smart smooth soft sold solution
    solve soon sorry sounds source space speaker speakers speaking speaks special
    specific spend spending spent spirit spoke spoken spot spots stage stages stand
    standard standards standing stands starting starts state statement states status
    stay stayed stays step steps stick stood stop stopped stops store strange
    strength strong strongly structure struggle struggled struggling stupid style
    subject success successful sudden suddenly suggest suggested suggests sum sunday
    super support supported suppose supposed surface surprise surprised surprising
    sweet switch taken talks tall target task tasks taught teach telling tells tend
    term terms terrible thick thin thinks thirty thoroughly thoughts thousands threw
    throw throws thursday timing tiny tip tips tired tone tonight top topic topics
    total touch touched touches tough track traditional transition treat trend trick
    tricks tries trouble true truly truth tuesday turn turned turns twelve twenty
    twice type types typical ugly understand understanding understands understood
    unintelligible unique unit units unlikely unusual update updated updates usage
    useful useless usual value values variety various vary version versions versus
    via view voice wait waited waiting wake walk walked walking walks warm watch
    watched watching weak wear wednesday weekend weird welcome welcomed wet whoa
    wide widely wild willing win wins wise wish won wonder wondered wonderful
    wondering word words wore worked working world worlds worried worry worse worth
    wow write writes written wrong wrote yay young zero
    """.split()  # noqa: SIM905  (a list for people)
)
"""Lower case."""
