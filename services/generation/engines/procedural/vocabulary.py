"""What words in a prompt mean to the composer, as tables: genres, moods, paces and instruments.

Each line has values, a colon and phrases. Phrases are in lower case, without hyphens.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from soundwright.services.generation.engines.procedural.instruments import PHRASES

V = TypeVar("V")


@dataclass(frozen=True)
class Genre:
    """A genre by its usual name."""

    name: str  # as the prompt says it
    style: str  # a name in styles.STYLES
    tempo_bpm: float | None = None  # its usual tempo; None for that of the style
    band: tuple[str, ...] = ()  # instruments that it has besides those of the style
    is_colour: bool = False  # whether the word is also an adjective ("epic rock"), which yields to another genre


@dataclass(frozen=True)
class Mood:
    """The effect of a mood on music."""

    is_minor: bool | None  # the mode that it suggests; None for either
    pace: float  # -1 (slowest of the style) to 1 (fastest)
    energy: float  # 0 (calm) to 1 (full)
    styles: tuple[str, ...]  # suitable styles if the prompt names no genre


# style [tempo] [instruments of the band]: genres. A colour ends with "~".
_GENRES = """
pop: pop, kpop, jpop, radio~, commercial, corporate, christmas, britpop, twee pop, jangle pop, power pop, art pop, teen pop, soft pop, beach pop, bubblegum pop, jingle,
    children's music, children's song, kids music, kids song, musical theatre, musical theater, broadway, show tune, enka, cantopop, mandopop, c pop, ye ye, trot, anime
pop 120 synth_lead: dance pop, electropop, hyperpop, europop, bedroom pop, indietronica, indie electronic, dreamcore, digicore, glitchcore
pop 84 pad: dream pop, noise pop, psychedelic pop
pop 104 strings: chamber pop, baroque pop, schlager
pop 116 choir: doo wop, barbershop
pop 100 steel_guitar: acoustic pop, folk pop, country pop, skiffle
rock: rock, indie~, alternative~, classic rock, arena rock, southern rock, glam rock, math rock, stoner rock, college rock, j rock
rock 168 guitar_lead: surf, surf rock, rockabilly, psychobilly, rock and roll, rock n roll, rock'n'roll, oldies~, 60s~, 50s~
rock 92 power_guitar: grunge, emo, gothic rock, goth rock, noise rock, post hardcore
rock 84 pad: shoegaze, post rock, slowcore, space rock, psychedelic rock, psychedelic, soft rock, progressive rock, prog rock, art rock
rock 120 synth_lead: krautrock, post punk, coldwave
rock 126 strings: symphonic rock, rock opera
rock 112 steel_guitar: folk rock, heartland rock
punk: punk, punk rock, hardcore, skate punk, riot grrrl, street punk, oi
punk 176 violin: celtic punk, folk punk
punk 168 trumpet: ska punk
metal: metal, heavy metal, metalcore, thrash, djent, nu metal, deathcore, mathcore, blackgaze
metal 190 voice_low: death metal, melodic death metal, black metal, grindcore
metal 126 voice_low: doom metal, sludge metal, sludge, doom, stoner metal
metal 160 guitar_lead: power metal, speed metal
metal 150 strings choir: symphonic metal, gothic metal, opera metal
metal 150 violin flute: folk metal, viking metal, pagan metal
house: house, deep house, edm, dance music, dance~, club~, electronic dance, garage, electro, electronic~, electronica, tech house, uk garage, speed garage, french house,
    chicago house, bass house, big room, progressive house, afro house, gqom, amapiano, witch house, big beat, electroclash, footwork, idm, complextro, freestyle, jersey club,
    baltimore club, singeli
house 122 piano: piano house, acid house
house 112 marimba: tropical house, balearic, balearic beat
house 124 trumpet clarinet: electro swing
dubstep: dubstep, brostep, future bass, chillstep, melodic dubstep, grime, future garage, riddim, wobble bass, glitch hop
techno: techno, industrial, acid, minimal~, melodic techno, detroit techno, glitch, ebm, acid house techno, electronic body music
trance: trance, psytrance, eurodance, rave, goa, uplifting trance, progressive trance, hands up, happy hardcore, eurobeat, nightcore
trance 150 saw_chord: hardstyle, gabber, hard dance
disco: disco, nu disco, 70s~, italo disco, space disco, boogie, future funk, hi nrg, city pop
synthwave: synthwave, retrowave, outrun, 80s~, synthpop, new wave, cyberpunk, darkwave, darksynth, vapor, dreamwave, chillwave, new romantic
drum_and_bass: drum and bass, drum n bass, drum'n'bass, drum & bass, dnb, d&b, jungle, liquid funk, liquid drum and bass, neurofunk, breakcore
drum_and_bass 136: breakbeat, breaks, big breaks, broken beat
hip_hop: hiphop, rap, boom bap, old school hip hop, g funk, instrumental hip hop, new jack swing, conscious rap, gangsta rap
hip_hop 84 pad: trip hop, downtempo, downbeat
trap: trap, drill, 808s, phonk, cloud rap, festival trap, mumble rap, crunk, uk drill, plugg, pluggnb, rage rap, emo rap, sigilkore, vaportrap
lofi: lofi, chillhop, study beats, study music, chill beats, vaporwave, slushwave, mallsoft, lo fi hip hop, lofi hip hop, jazz hop, lo fi beats, lofi beats, chillout
bossa: bossa nova, bossa
bossa 104 strings piano: lounge, easy listening, exotica, elevator music, muzak
bossa 136: samba, brazilian~, choro, mpb, pagode, forro, tropicalia
latin: latin, salsa, mambo, cumbia, cuban~, son, cha cha, bachata, merengue, latin pop, latin jazz, afro cuban jazz, timba, vallenato, son cubano, boogaloo, guaracha
latin 96 nylon_guitar: rumba, bolero, kizomba, zouk
latin 94 bass_sub: reggaeton, dembow, baile funk, funk carioca, moombahton, kuduro
latin 116 brass: mariachi, ranchera, tex mex, norteno, banda, tejano, corrido, corridos tumbados, pasodoble
latin 112 violin organ piano: tango, milonga
latin 120 nylon_guitar: flamenco, spanish~, fado, rai, gypsy
latin 110 clean_guitar: afrobeat, highlife, soukous, kwaito, african~, ethio jazz, cape jazz, juju, mbalax, fuji, taarab, gnawa, bongo flava, coupe decale, chimurenga
latin 118 marimba: calypso, soca, steelband, caribbean~, tropical~
funk: funk, funky~, groove~, groovy~, p funk, funk rock, go go, acid jazz
soul: soul, soulful~, r&b, rnb, r'n'b, rhythm and blues, neo soul, motown, northern soul, contemporary r&b, quiet storm
soul 88 organ choir: gospel, spiritual, worship
jazz: jazz, jazzy~, fusion, modal jazz, nu jazz, jazz trio, free jazz, spiritual jazz, cool jazz
jazz 200: bebop, hard bop, post bop, gypsy jazz, manouche
jazz 152 brass trumpet clarinet: swing, big band, dixieland, new orleans, charleston, speakeasy
jazz 92 sax epiano: smooth jazz, dark jazz, noir jazz
jazz 120 piano: ragtime, stride piano, stride, boogie woogie, cabaret
jazz 116 voice: vocal jazz, crooner, scat
blues: blues, bluesy~, delta, electric blues, chicago blues
blues 90 steel_guitar harmonica: delta blues, country blues, acoustic blues
reggae: reggae, dub, rocksteady, dancehall, jamaican~, roots reggae, lovers rock
reggae 126 trumpet: ska, two tone
ballad: ballad, love song, power ballad, slow song, chanson, torch song
ballad 66 piano: piano ballad
ballad 62 bell: lullaby, nursery rhyme, cradle song
waltz: waltz, 3/4, three four, minuet, viennese, mazurka
waltz 120 organ: musette
country: country, americana, western~, outlaw country, alt country, honky tonk, western swing, nashville, cajun, zydeco, sertanejo, country and western
country 132 banjo violin: bluegrass, hillbilly, old time, hoedown, square dance
folk: folk, acoustic~, singer songwriter, freak folk, neofolk, folktronica, psychedelic folk, folklore, nordic~, russian~, world, world fusion, klezmer, balkan~, rebetiko,
    throat singing, nueva cancion
folk 120 violin flute: celtic, irish, scottish, celtic folk, jig, reel, sea shanty, shanty, medieval folk, breton
folk 100 flute harp: medieval~, renaissance, tavern, bardic
folk 96 flute marimba: andean, gamelan, polynesian~, hawaiian
folk 72 harp flute: japanese~, chinese~, asian, oriental, korean~, gagaku, pansori, min'yo
folk 116 organ: polka, oktoberfest, bavarian
indian: indian, raga, indian classical, bollywood, hindustani, carnatic, bhangra, qawwali, sitar music, ghazal, sufi~, kirtan, bhajan, thumri, dhrupad, khayal
indian 100 flute: arabic, arabian, middle eastern, persian, turkish, egyptian
ambient: ambient, drone, meditation, spa, new age, soundscape, atmospheric~, sleep, yoga, space music, healing, space ambient, psybient, musique concrete, mindfulness,
    relaxation, sound bath, dungeon synth
ambient 80 dark_pad: experimental~, avant garde, abstract~
ambient 60 choir: plainchant, gregorian, chant, sacred
cinematic: cinematic~, orchestral~, orchestra~, soundtrack~, movie~, trailer~, film~, epic~, symphonic~, fantasy~, battle~, adventure~, game music, boss fight, score, anthem~,
    documentary~, superhero, hybrid orchestral
cinematic 112 brass trumpet: march, marching band, fanfare, military, brass band
classical: classical, chamber, sonata, romantic era, nocturne, etude, prelude, chopin, modern classical, neoclassical, contemporary classical, minimalism, impressionist, recital
classical 104 harpsichord strings: baroque, bach, vivaldi, fugue, rococo
classical 100 strings violin: string quartet, string trio
classical 112 strings violin french_horn: symphony, concerto, mozart, beethoven, overture
classical 80 voice strings: opera, aria, operatic, oratorio, bel canto, operetta
classical 76 choir organ: requiem, hymn, choral, church music, mass, carol
chiptune: chiptune, 8bit, retro game, video game, arcade, nes, gameboy, bitpop, 16 bit
"""

# mode, pace and energy, styles: moods.
_MOODS = """
major 0.35 0.9 pop funk disco country: happy, joyful, cheerful, joy, fun, playful, sunny, bright, feel good, carefree, whimsical, summer, party, festive, quirky, mischievous, funny, comical, humorous, silly, merry, jolly, cute,
    exuberant, innocent, childlike, joyous, cheery, goofy, sweet, lighthearted, vibrant, colourful, colorful, jaunty, jovial, gleeful, bubbly, peppy, zany, catchy, flirty, friendly, refreshing, summery, cheeky, breezy,
    effervescent, elated, overjoyed, perky, pleasant, sassy, vivacious, feisty, infectious, winsome, happy go lucky, buoyant, chirpy, blithe
major 0.3 0.95 pop cinematic trance: uplifting, inspiring, inspirational, motivational, hopeful, optimistic, triumphant, victorious, proud, euphoric, bold, confident, determined, empowering, positive, ecstatic, celebratory,
    patriotic, motivating, encouraging, exhilarating, triumphal, jubilant, adventurous, comforting, heartwarming, devotional, energizing, spirited, invigorating, radiant, rousing, stirring, daring, grateful, excited, awe inspiring,
    wondrous, encouraged, vigorous
minor -0.6 0.4 ballad classical lofi: sad, melancholic, melancholy, sorrowful, lonely, heartbroken, mournful, tragic, somber, sombre, emotional, rainy, solemn, depressing, gloom, grieving, regretful, desperate, moody, pensive,
    sadness, sorrow, depressed, despairing, hopeless, desolate, hollow, empty, tearful, forlorn, weary, heartbreaking, unhappy, depressive, dismal, dreary, mourning, harrowing, crying, resigned, vulnerable, poignant, sullen,
    grieved, plaintive, wounded, lonesome, downcast
minor -0.2 0.65 cinematic techno synthwave trap: dark, ominous, sinister, evil, gloomy, gothic, brooding, grim, menacing, noir, bleak, gritty, cold, dystopian, threatening, foreboding, murky, dangerous, shadowy, sneaky, dusky,
    vengeful, oppressive, predatory, nocturnal, icy, sarcastic, satirical, ironic, grotesque, stealthy
minor -0.3 0.6 cinematic ambient: tense, suspenseful, suspense, scary, creepy, horror, eerie, anxious, spooky, haunting, thriller, mysterious, mystery, enigmatic, restless, uneasy, nervous, paranoid, unsettling, disturbing,
    urgent, horrific, frightening, terrifying, chilling, ghostly, fearful, uncanny, stressful, turbulent, tormented, panicked, worried, psychotic, volatile, curious, searching, timid, shy, agitated, frightened, nightmarish
major -0.6 0.3 ambient lofi bossa classical: peaceful, calm, relaxing, relaxed, gentle, soft, serene, tranquil, soothing, quiet, chill, meditative, mellow, warm, cozy, cosy, delicate, contemplative, introspective, lazy, sleepy,
    reflective, light, chilled, drowsy, thoughtful, blissful, restful, subdued, hushed, easygoing, laidback, zen, pastoral, idyllic, subtle, humble, spacious, earthy, placid, sedate
either -0.5 0.4 ambient synthwave: dreamy, ethereal, floating, heavenly, celestial, magical, hypnotic, airy, surreal, otherworldly, trippy, cosmic, spacey, mystical, dreamlike, floaty, enchanting, enchanted, fantastical, hazy,
    weightless, shimmering, swirling, misty, luminous, sublime, mythical, exotic, trance like, divine, glistening
major -0.4 0.45 ballad soul bossa: romantic, tender, love, sensual, intimate, sexy, heartfelt, passionate, elegant, graceful, sentimental, seductive, smooth, sophisticated, luxurious, sultry, classy, lush, loving, glamorous,
    stylish, sympathetic, caring, affectionate
either -0.3 0.5 lofi synthwave soul: nostalgic, wistful, bittersweet, vintage, retro, longing, yearning, cool, slick, suave
minor 0.1 1.0 cinematic: epic, heroic, majestic, powerful, grand, dramatic, massive, intense, glorious, noble, monumental, regal, royal, explosive, thrilling, soaring, thunderous, stately, imposing, magnificent, theatrical,
    martial, warlike, fantastic, reverent, stoic, mighty, bombastic
minor 0.6 1.0 rock drum_and_bass metal house: energetic, aggressive, angry, furious, driving, wild, frantic, high energy, hard, heavy, exciting, pumping, fierce, fiery, defiant, rebellious, chaotic, violent, loud, brutal, rage,
    edgy, raw, dirty, badass, ferocious, savage, manic, punchy, hyper, vicious, dynamic, harsh, relentless, raucous, swaggering, outraged, rowdy, hectic, fired up
"""

_PACES = """
-0.9: slow, slowly, downtempo, largo, adagio, very slow, laid back, leisurely, unhurried, slow burning, lento
0.0: midtempo, moderate, medium tempo, andante, medium paced, steady, moderato
0.5: upbeat, uptempo, lively, bouncy, allegro, brisk
0.95: fast, quick, rapid, very fast, presto, fast paced, high tempo, racing, vivace
"""

# Those that are not recorded, and roles.
_INSTRUMENTS = """
pad: pad, synth pad, crystal bowl, singing bowl, glass harmonica
guitar: guitar
synth_pluck: arpeggio, arpeggiated, arp, plucks, synth pluck, sequencer, arpeggiator
saw_chord: supersaw, synth chords, stabs
synth_lead: synth, electronics, synthesizer, synth lead, lead synth, theremin, moog, analog synthesizer, modular synthesizer, keytar, synthesiser, ondes martenot
square_lead: square wave, chip lead
voice: voice, vocal, singer, singing, sings, female vocal, female voice, sung, lyrics, soprano, vocalist, woman singing, vocoder
voice_low: male vocal, male voice, baritone, deep voice, tenor, male singer, man singing, rapper
bass_sub: sub bass, 808 bass, 808
drums: drum, drum kit, percussion, beat, drumming, drummer, snare, kick, bongo, conga, tabla, djembe, cajon, taiko, tambourine, shaker, maracas, castanets, hand drums, cowbell,
    claps, taiko drums, snare drums, drum machine, hihat, breakbeats, cymbal, gong, dholak, mridangam, washboard, woodblock, talking drum, bodhran, darbuka, beatbox, beatboxing,
    drumset, finger snap, handclap, spoons, riq, frame drum, tin drum, tom toms, timbales, bata, doumbek, surdo, cuica, guiro, claves
melody: melody, lead, solo line
chords: chords, harmony
"""

# style: instruments that belong to it if the prompt names no genre.
_HOMES = """
indian: sitar, shehnai
country: banjo, fiddle
blues: harmonica
jazz: sax, vibraphone, jazz_guitar, clarinet, bass_upright
folk: guitar, steel_guitar, dulcimer, accordion, bagpipe, recorder, pan_flute, koto, shamisen, shakuhachi, kalimba
latin: steel_drums
funk: clavinet, bass_slap
trap: bass_sub
synthwave: synth_lead, synth_pluck, saw_chord
"""

_NOT = "no not without minus sans lacking except excluding exclude avoid skip omit remove zero neither never nobody"

_FILLERS = """
a an the and or but nor any of in on at to for from with by as is it its be that this than then over under into some very more less most much quite really rather yet
please i me my we you your want need like make create generate play playing played give music song track piece tune clip loop audio sound sounds sounding style genre
version instrumental feel feeling vibe vibes mood tempo key bpm scale mode time time's theme cue background melodic tone full featuring something anything s don't
"""


def _rows(table: str) -> list[tuple[list[str], list[str]]]:
    """Return the values and the phrases of each line of a table."""
    lines = table.strip().replace("\n    ", " ").splitlines()
    return [(values.split(), phrases.split(", ")) for values, phrases in (line.split(": ", 1) for line in lines)]


def by_phrase(table: str, value: Callable[[list[str], str], V]) -> Mapping[str, V]:
    """Return what the phrases of a table mean, in lines of values, a colon and phrases."""
    return MappingProxyType(
        {phrase.rstrip("~"): value(values, phrase) for values, phrases in _rows(table) for phrase in phrases}
    )


def _genre(values: list[str], phrase: str) -> Genre:
    style, *rest = values
    tempo_bpm = float(rest.pop(0)) if rest and rest[0].isdecimal() else None
    return Genre(phrase.rstrip("~"), style, tempo_bpm, tuple(rest), phrase.endswith("~"))


def _mood(values: list[str], _phrase: str) -> Mood:
    mode, pace, energy, *styles = values
    return Mood({"major": False, "minor": True, "either": None}[mode], float(pace), float(energy), tuple(styles))


GENRES = by_phrase(_GENRES, _genre)
MOODS = by_phrase(_MOODS, _mood)
HOMES = by_phrase(_HOMES, lambda values, _: values[0])
PACES = by_phrase(_PACES, lambda values, _: float(values[0]))
INSTRUMENTS = MappingProxyType({**PHRASES, **by_phrase(_INSTRUMENTS, lambda values, _: values[0])})
NEGATIONS = frozenset(_NOT.split())
# Words that say nothing about the music, so that their absence from it is not reported.
FILLERS = frozenset(_FILLERS.split())
