"""Templates and words for suggested music prompts. ``prompts.py`` describes the format."""

TEMPLATES = """
{a mood} {genre} track with {instrument}
{genre} with {a era} feel and {texture}
{mood} music for {scene}
{tempo} {genre} with {a mood} groove
solo {melodic} in {key}, {mood} and {tempo}
{ensemble} playing {a mood} theme in {key}
{region} folk melodies fused with {genre}
{a mood} {soundtrack} cue with {instrument}
{mood} yet {mood} {genre}
{style} {genre} that is {mood} rather than {mood}
{mood} {genre} at {bpm} BPM
{a style} {genre} piece in {key}
a journey from {mood} to {mood} {genre}
{genre} meets {genre} with {instrument}
{style} {genre} with {texture}
{a mood} {melodic} melody over {texture}
{a mood} duet for {melodic} and {melodic}
{mood} {genre} in {meter} time
{soundtrack} music with {a era} sound and {texture}
{tempo} {region} dance tune with {instrument} and {texture}
"""

WORDS = """
bpm:
    100, 104, 108, 112, 116, 120, 124, 128, 132, 140, 150, 160, 174, 60, 70, 76, 80, 84, 88, 92, 96
ensemble:
    a bell choir, a big band, a brass quintet, a cello ensemble, a chamber orchestra, a children's choir, a clarinet
    trio, a folk trio, a full orchestra, a gospel choir, a guitar duo, a jazz quartet, a jazz trio, a male choir, a
    marching band, a percussion ensemble, a piano trio, a saxophone quartet, a string orchestra, a string quartet, a
    wind ensemble, a woodwind quintet
era:
    1900s, 1910s, 1930s, 1940s, 1950s, 1970s, 1980s, 2000s, 2010s, ancient, Baroque, belle epoque, Byzantine,
    disco-era, early 1960s, early 1980s, early 1990s, Edwardian, fifties, golden-age, jazz-age, late 1960s, late
    1970s, late 1990s, medieval, mid-century, old-time, postwar, prohibition-era, Renaissance, retro, romantic-era,
    space-age, turn-of-the-century, vintage, wartime
genre:
    acid house, acid techno, acoustic pop, Afro house, alternative country, ambient, ambient house, Americana, art
    rock, baile funk, barbershop, bass house, bebop, big room house, blues, bolero, boom bap, breakbeat, Britpop,
    bubblegum pop, calypso, Celtic punk, chamber jazz, chanson, chillhop, chillstep, chiptune, classic rock, cloud
    rap, country, country pop, dance pop, dark ambient, darksynth, deep house, Detroit techno, Dixieland, downtempo,
    drill, drum and bass, dub techno, easy listening, electro house, electroclash, electropop, Eurodance, fado,
    flamenco, folk metal, folk punk, folktronica, forro, free jazz, funk carioca, future funk, G-funk, garage rock,
    glitch hop, gospel, gqom, groove metal, hard rock, hardcore punk, heavy metal, hip hop, house, IDM, indie folk,
    indie rock, instrumental hip hop, jangle pop, jazz fusion, jazz rock, kizomba, krautrock, kwaito, Latin rock,
    lo-fi hip hop, lounge, mariachi, medieval folk, melodic dubstep, merengue, minimalism, musique concrete,
    neurofunk, new jack swing, noise pop, nu disco, nu metal, orchestral, outrun, piano ballad, polka, post-bop,
    post-punk, power ballad, power pop, progressive rock, psybient, psychedelic pop, punk rock, R&B, rai, reggaeton,
    rock and roll, rocksteady, rumba, samba, ska, skiffle, sludge metal, soca, soul, southern rock, space disco,
    speed garage, stride piano, swing, symphonic rock, synthwave, tech house, Tex-Mex, trance, trip hop, UK garage,
    vaporwave, Western swing, world fusion, zydeco
key:
    A flat major, A major, A minor, B flat major, B minor, C dorian, C major, C minor, C sharp minor, D dorian, D
    major, D minor, E flat major, E major, E minor, E phrygian, F lydian, F major, F minor, F sharp minor, G major,
    G minor, G mixolydian
melodic:
    accordion, alto flute, alto saxophone, balafon, bandoneon, bansuri, baritone guitar, bass guitar, bouzouki,
    bowed vibraphone, celesta, chamber organ, chromatic harmonica, cimbalom, classical guitar, clavinet, clean
    electric guitar, concertina, cornet, crystal bowl, distorted guitar, double bass, dulcimer, electric bass,
    electric piano, electric violin, English horn, euphonium, fiddle, flamenco guitar, flugelhorn, French horn,
    gayageum, glass harmonica, grand piano, guzheng, Hardanger fiddle, harmonica, harp, honky-tonk piano,
    hurdy-gurdy, kantele, kaval, kora, lap steel guitar, lyre, marimba, mbira, music box, ney, ngoni, nylon-string
    guitar, ocarina, pan flute, pedal steel guitar, piccolo, pipe organ, prepared piano, reed organ, santoor, sarod,
    saxophone, shamisen, singing bowl, sitar, soprano saxophone, suona, synthesizer, theremin, toy piano, trumpet,
    tuba, twelve-string guitar, ukulele, upright bass, veena, viola, violin, xylophone, zither
meter:
    12/8, 2/4, 3/4, 4/4, 5/4, 6/8, 7/8, 9/8
mood:
    aggressive, airy, anxious, bittersweet, bold, brooding, calm, carefree, cheerful, contemplative, cozy, dark,
    defiant, delicate, determined, dramatic, dreamy, eerie, elegant, energetic, enigmatic, epic, ethereal, euphoric,
    exuberant, festive, fierce, fiery, furious, gentle, gloomy, graceful, gritty, happy, haunting, heartfelt,
    heroic, hopeful, hypnotic, intense, intimate, introspective, joyful, lonely, majestic, meditative, melancholic,
    mellow, mischievous, mournful, mysterious, nostalgic, ominous, optimistic, passionate, peaceful, playful,
    quirky, relaxing, restless, romantic, sad, serene, sinister, solemn, soothing, suspenseful, tender, tense,
    triumphant, uplifting, whimsical
percussion:
    bodhran, bongos, cajon, castanets, congas, darbuka, dholak, djembe, frame drums, gongs, hand drums, mridangam,
    snare drums, tabla, taiko drums, talking drum, tambourine, timpani, washboard, woodblocks
region:
    Algerian, Anatolian, Arabic, Argentine, Balkan, Bavarian, Bengali, Breton, Bulgarian, Cajun, Caribbean, Celtic,
    Congolese, Cretan, Cuban, Ethiopian, Finnish, Greek, Hawaiian, Hungarian, Irish, Italian, Jamaican, Kazakh,
    Korean, Maltese, Mongolian, Nepalese, Norwegian, Persian, Polynesian, Provencal, Russian, Scottish, Sicilian,
    Spanish, Tibetan, Turkish, Vietnamese, Zimbabwean
scene:
    a barn dance, a birthday party, a boss fight, a candlelit dinner, a castle siege, a city skyline, a
    coming-of-age film, a costume ball, a documentary opening, a farmers market, a first dance, a ghost story, a gym
    workout, a heist, a homecoming, a magic show, a meditation session, a mountain climb, a nursery, a product
    launch, a puzzle level, a rainy window, a rooftop party, a school play, a slow sunrise, a spa, a spring garden,
    a sunset cruise, a toy commercial, a travel vlog, a wedding, a winter sleigh ride, an alien landing, an autumn
    walk, an evening by the fire, an underwater cave
soundtrack:
    action film, adventure game, arcade game, biopic, children's show, coming-of-age drama, courtroom drama, desert
    adventure, disaster film, dystopian film, fairy tale, fantasy film, farming game, film noir, gothic horror, high
    school comedy, horror film, indie film, martial arts film, monster film, mystery series, news broadcast, pirate
    film, political thriller, psychological thriller, quiz show, role-playing game, samurai film, science fiction
    film, sitcom, spy film, stop-motion film, survival game, travel documentary, western, zombie film
style:
    analog, binaural, bright, cavernous, chopped-up, cinematic, crisp, deep, dry, echo-laden, full-bodied, fuzzy,
    glossy, half-time, hazy, home-recorded, live-sounding, loop-based, maximalist, minimal, noisy, overdriven,
    polished, radio-ready, raw, sample-based, sidechained, smooth, sparse, sun-bleached, syncopated, unplugged,
    warm, widescreen
tempo:
    brisk, fast, leisurely, medium-paced, mid-tempo, moderate, quick, slow, slow-burning, steady, unhurried,
    up-tempo, very fast, very slow
texture:
    airy pads, arpeggiated synths, bell-like plucks, breathy choirs, bright handclaps, clattering percussion, crisp
    hi-hats, crunchy bass, droning strings, echoing chimes, evolving pads, fluttering arpeggios, fuzzy bass, glitchy
    percussion, hand percussion, heavy drums, humming tones, icy synths, metallic percussion, muted brass, pizzicato
    strings, plucked strings, pulsing bass, rolling percussion, shimmering cymbals, shimmering synths, sidechained
    pads, soaring strings, staccato strings, sustained brass, syncopated claps, tremolo chords, tribal drums, warm
    organ, whispered vocals, wobbling bass
"""
