"""Words of other languages that say nothing about what a recording is about.

What makes sentences hold together, and what people say while they talk. Without accents
as well where they are often left out. Written for this.
"""

from collections.abc import Mapping
from typing import Final

from processors.extract.stop_words import ENGLISH

_GERMAN = """
ab aber ach all alle allem allen aller alles als also am an ander andere anderen anderer
anderes anders auch auf aus bei beim bereits besser bin bis bisschen bist bitte brauchen
braucht da dabei dadurch dafür dagegen daher dahin damals damit danach dann dar daran
darauf daraus darf darin darüber darum das dass davon dazu dein deine deinen deiner dem
den denen denn der deren des deshalb desto dessen dich die dies diese diesem diesen
dieser dieses dinge dir direkt doch dort drei du durch dürfen eben ebenso eher ehrlich
eigentlich ein einem einen einer eines einfach einige einigen einiger einiges einmal
erst erste ersten es etwa etwas euch euer eure fast fragen frage fünf für fürs ganz
ganze ganzen gar gab geben gegen gegeben gehen geht gehört gemacht genau gerade gern
gerne gesagt gibt ging glaube gleich gleichen gott groß große großen gut gute guten habe
haben halt hallo hast hat hatte hatten hätte hätten hier hin hinter ich ihm ihn ihnen
ihr ihre ihrem ihren ihrer im immer in ins ist ja jahr jahre jahren jede jedem jeden
jeder jedes jemand jene jetzt kann kannst kaum kein keine keinen keiner klar kleine
kleinen kommen kommt konnte können könnte könnten lang lange lassen leicht letzte
letzten leute leuten mache machen macht mal man manche mehr mein meine meinem meinen
meiner mensch menschen mich mir mit möchte möglich müssen muss musst musste na nach
nachdem natürlich neben nein neu neue neuen nicht nichts nie niemand noch nun nur ob
oben oder offen oft ohne okay paar recht richtig sache sachen sage sagen sagt schlecht
schließlich schon schön sehen sehr sei seid sein seine seinem seinen seiner seit selber
selbst sich sie sieht sind so sogar solche soll sollen sollte sollten sondern sonst
später stehen steht tag tage tatsächlich teil tja toll trotzdem tun tut über überhaupt
um und uns unser unsere unseren unter viel viele vielen vieles vielleicht vier voll vom
von vor wahrscheinlich wann war waren wäre wären warum was weg wegen weil weise weiß
weit weiter welche welchen welcher welches wenig weniger wenn wer werde werden weshalb
wie wieder wieso will wir wird wirklich wissen wo wobei wohl wollen wollte wollten womit
worden worüber wurde wurden würde würden zeit ziemlich zu zum zur zurück zusammen zwar
zwei zwischen
"""

_SPANISH = """
a acá ahí ahora al algo alguien algún alguna algunas alguno algunos allá allí ante antes
aquel aquella aquellas aquello aquellos aqui aquí así aún aun aunque bastante bien bueno
buena buenas buenos cada casi claro como cómo con contra creo cosa cosas cual cuál
cuales cualquier cuando cuándo cuánto da dado dan dar de debe deben decía decimos decir
dentro del demás desde después día días dice dicen dicho diferente diferentes digo dijo
dos donde dónde durante e ejemplo el él ella ellas ello ellos en entonces entre era eran
eres es esa esas ese eso esos esta está están estaba estaban estado estamos estar estas
éste este esto estos estoy etcétera exactamente forma fue fuera fueron general gente
gracias gran grande grandes ha había habían haber habrá hablando hablar hace hacen hacer
hacia haciendo hasta hay haya he hecho hemos hola hora hoy igual ir la las le les lo los
luego lugar manera más mas mayor me mejor menos mi mientras mis mismo misma mismas
mismos momento mucha muchas mucho muchos muy nada nadie ni ninguna ninguno no nos
nosotros nuestra nuestras nuestro nuestros nueva nuevo nuevos nunca o obviamente os otra
otras otro otros para parece parte pero persona personas poca poco pocos podamos podemos
poder podría podrían pone poner por porque pregunta preguntas primer primera primero
principio problema problemas pueda puedan puede pueden puedes puedo pues punto que qué
queda quería quien quién quienes quiere quieren quiero quizá quizás realidad realmente
sabe saben saber sabes se sé sea sean según segundo seguro ser será serán sería si sí
sido siempre siendo siguiente sin sino sobre sois sola solamente solo sólo somos son soy
su supuesto sus suya suyo tal también tampoco tan tanta tanto te tema tenemos tener
tenga tengo tenía tenían ti tiempo tiene tienen tienes tipo toda todas todavía todo
todos total trata través tres tu tú tus tuvo u última último un una unas uno unos usted
ustedes va vamos van varias varios ve veces vemos ver verdad vez vosotros voy vuelta y
ya yo estás podrías necesita necesitamos necesitas significa mantiene
"""

_FRENCH = """
a à ah ai aient ailleurs ainsi ait alors an ans après as assez au aucun aucune
aujourd'hui auparavant aura aurait aussi autant autre autres aux avaient avais avait
avant avec avez avoir avons ayant bah bas beaucoup ben bien bon bonjour bonne bref c'est
ça car ce ceci cela celle celles celui cent cependant certain certaine certaines
certains ces cet cette ceux chacun chaque chez chose choses ci combien comme comment
contre côté coup d'accord dans de déjà depuis dernière derniers des deux devait devant
devoir différents dire dis disait dit dix doit doivent donc donner dont du elle elles en
encore enfin ensuite entre envers es est et étaient étais était étant été être eu euh
eux exactement exemple façon faire fais fait faites fallait faut finalement fois font
genre gens grand grande grandes grands hein heure ici idée il ils jamais je jour jours
juste justement l'on la là là-bas laquelle le lequel les lesquels leur leurs lieu loin
lors lorsque lui ma mais mal manière me même mêmes merci mes met mettre mieux moi moins
moment mon monde n'est ne ni niveau non nos notamment notre nous nouveau nouvelle
nouvelles on ont or ou où oui outre pa par parce parfois parle parler pas pendant pense
penser permet personne personnes petit petite petits peu peut peut-être peuvent peux
plus plusieurs plutôt point pour pourquoi pourrait pouvait pouvez pouvoir premier
première prendre près presque problème puis puisque qu'est qu'il qu'on quand quant
quatre que quel quelle quelles quelqu'un quelque quelques quels question questions qui
quoi rapport réalité rien sa sais sait sans savoir se selon sens sera serait seront ses
seul seule seulement si sinon soi soient soit sommes son sont sorte souvent suis suite
sur surtout ta tandis tant te tel telle tellement temps tes toi ton toujours tous tout
toute toutes travers très trois trop trouve tu un une va vais venir vers veulent veut
veux vient voilà voir vois voit vont vos votre voulait vouloir vous vrai vraiment vu y
"""

_ITALIAN = """
a abbastanza abbiamo ad adesso agli ai al alcune alcuni all alla alle allo allora almeno
altra altre altri altro anche ancora andare anni anno appena appunto avanti avere aveva
avevano avete basta bella bello ben bene bisogna buona buono c'è capito casa caso c'era
certa certe certo che chi ci ciao ciò cioè circa come comunque con così cosa cose cui da
dagli dai dal dalla dalle davvero degli dei del dell della delle dello dentro detto deve
devo devono di dice dire diverse diversi dobbiamo dopo dove due dunque durante e è ecco
ed era erano esempio essere fa faccio facciamo fanno far fare fatto fino forse fra gente
già gia giorni giorno giusto gli grande grandi grazie ha hai hanno ho i il in infatti
infine insieme insomma intanto invece io la là le lei li lo loro lui ma magari mai male
me meglio meno mentre mi mia mie miei mio modo molta molte molti molto momento mondo nè
né negli nei nel nella nelle neanche nessuna nessuno niente no noi non nostra nostre
nostri nostro nulla nuova nuovi nuovo o od oggi ogni ognuno oltre oppure ora ore ormai
ovviamente parte per perché perciò però persona persone più piu piuttosto po poca poche
pochi poco poi possiamo possono possa posso posto praticamente prima primo problema
proprio può puo pure qua qual qualche qualcosa qualcuno quale quali quando quanta quanto
quasi quattro quella quelle quelli quello questa queste questi questo qui quindi
rispetto sa sapere se secondo sei sembra sempre senso senza sia siamo siano sono sopra
soprattutto sotto sta stai stanno stare stata state stati stato stesse stessa stessi
stesso su sua sue sugli sui sul sulla sulle suo suoi tale tanta tante tanti tanto te
tempo ti tipo tra tre troppo tu tua tue tuo tuoi tutta tutte tutti tuttavia tutto un una
uno va vai vado vedere vediamo vero verso vi via viene vengono voglio voi volta volte
vostra vostro vuol vuole
"""

_PORTUGUESE = """
a à acho acontece agora aí ai ainda algo alguém algum alguma algumas alguns além ali ano
anos antes ao aos apenas após aquela aquelas aquele aqueles aqui aquilo as às assim até
através bem boa bom cada caso certeza certo coisa coisas com como conta contra da daí
daquele dar das de dela dele deles demais dentro depois desde dessa desse desta deste
deve devem dia dias disse disso diz dizer do dois dos duas durante e é ela elas ele eles
em embora enquanto então entao entre era eram essa essas esse esses esta está estamos
estão estar estas estava estavam este estes estou eu exatamente exemplo fala falando
falar faz fazem fazendo fazer feito ficar foi fora foram forma fosse gente geral grande
grandes há hoje hora ir isso isto já la lá lado lhe lhes logo lugar maior mais mas me
meio melhor menos mesma mesmo meu meus mim minha minhas momento muita muitas muito
muitos mundo na nada não nao nas nela nele nem nenhum nenhuma nessa nesse nesta neste
ninguém no nos nós nossa nossas nosso nossos nova novas novo novos num numa nunca o
obrigado olha onde ontem os ou outra outras outro outros para parece parte pela pelas
pelo pelos pergunta perguntas pessoa pessoas pode podem poder podia pois por porque
porquê portanto posso pouca pouco poucos pra precisa primeira primeiro problema
problemas própria próprio qual quais qualquer quando quanto quase quatro que quê quem
quer querem quero questão saber são se sei seja sejam sem sempre sendo ser será seria
seu seus si sido sim só sobre sou sua suas tal talvez também tampouco tanto tão te tem
têm temos tempo tenha tenho ter teve ti tinha tinham tipo toda todas todo todos três tu
tua tudo um uma umas uns vai vamos vão várias vários ver verdade vez vezes você vocês
voce vou significa
"""

_DUTCH = """
aan achter af al alle alleen alles als altijd ander andere anderen anders beetje ben
bent beter bij bijna bijvoorbeeld binnen blijven boven buiten daar daarna daarom dacht
dag dagen dan dat de deel denk denken deze die dingen dit doe doen doet door drie dus
echt een één eens eerst eerste eigenlijk elk elke en er eraan ergens erg even gaan gaat
gaf ga gedaan geen geeft gegeven gehad geleden geven geweest gewoon gezegd ging goed
goede graag groot grote ha haar had hadden hallo heb hebben hebt heeft heel hele
helemaal hem hen het hetzelfde hier hij hoe hoor hun iedereen iemand iets ik in
inderdaad is ja jaar jaren je jij jou jouw juist jullie kan kijk kijken klaar klein
kleine komen komt kon konden krijgen krijgt kunnen kunt laat laatste laten leuk liever
lijkt maak maakt maar maken makkelijk man manier me mee meer meest mensen met mij mijn
misschien moest moet moeten moment mooi na naar naast natuurlijk nee net niemand niet
niets niks nodig nog nooit nou nu of om omdat onder ons onze ook oke oké op over paar
precies probleem rond snel soms soort staan staat steeds stel stuk te tegen terug tijd
tijdens toch toe toen tot tussen twee uit vaak van vanaf vandaag vanuit veel verder vier
vind vinden vindt volgende volgens voor vooral vraag vragen vrij waar waarom wanneer
want waren was wat we weer weet weg wel welk welke wereld werd weten wie wij wil willen
worden wordt zal zat ze zeer zeg zeggen zegt zei zelf zich zie zien ziet zij zijn zin zo
zoals zonder zou zouden zullen
"""

STOP_WORDS: Final[Mapping[str, frozenset[str]]] = {
    "de": frozenset(_GERMAN.split()),
    "en": ENGLISH,
    "es": frozenset(_SPANISH.split()),
    "fr": frozenset(_FRENCH.split()),
    "it": frozenset(_ITALIAN.split()),
    "nl": frozenset(_DUTCH.split()),
    "pt": frozenset(_PORTUGUESE.split()),
}
"""By two letters of ISO 639-1; lower case."""
