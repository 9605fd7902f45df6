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
    1900s, 1910s, 1920s, 1930s, 1940s, 1950s, 1960s, 1970s, 1980s, 1990s, 2000s, 2010s, ancient, art deco, Baroque,
    belle epoque, Byzantine, classical-era, disco-era, early 1960s, early 1970s, early 1980s, early 1990s, Edwardian,
    Elizabethan, fifties, golden-age, jazz-age, late 1950s, late 1960s, late 1970s, late 1980s, late 1990s, medieval,
    mid-century, modern, old-time, postwar, prohibition-era, Regency, Renaissance, retro, rococo, romantic-era,
    space-age, turn-of-the-century, Victorian, vintage, wartime
genre:
    acid house, acid jazz, acid techno, acoustic folk, acoustic pop, Afro-Cuban jazz, Afro house, Afrobeat, alternative
    country, alternative rock, amapiano, ambient, ambient dub, ambient house, ambient techno, Americana, art pop, art
    rock, atmospheric black metal, bachata, baile funk, balearic beat, barbershop, baroque pop, bass house, beach pop,
    bebop, big band swing, big beat, big room house, bluegrass, blues, blues rock, bolero, boogie-woogie, boom bap,
    bossa nova, breakbeat, breakcore, Britpop, broken beat, bubblegum pop, cabaret, calypso, Cape jazz, Celtic folk,
    Celtic punk, chamber folk, chamber jazz, chamber pop, chanson, Chicago house, chillhop, chillout, chillstep,
    chillwave, chiptune, choro, classic rock, classical, cloud rap, coldwave, cool jazz, country, country blues, country
    pop, cumbia, dance pop, dancehall, dark ambient, dark jazz, darksynth, death metal, deep house, Delta blues, Detroit
    techno, disco, Dixieland, doo-wop, doom metal, downtempo, dream pop, drill, drone, drum and bass, dub, dub techno,
    dubstep, easy listening, electro, electro house, electro swing, electroclash, electronica, electropop, emo,
    Ethio-jazz, Eurodance, exotica, fado, festival trap, flamenco, folk ballad, folk metal, folk pop, folk punk, folk
    rock, folktronica, footwork, forro, freak folk, free jazz, French house, funk, funk carioca, future bass, future
    funk, future garage, G-funk, gamelan, garage rock, glam rock, glitch hop, Goa trance, gospel, gothic rock, gqom,
    grime, groove metal, grunge, hard bop, hard rock, hard techno, hardcore punk, hardstyle, heavy metal, highlife, hip
    hop, honky-tonk, house, hyperpop, IDM, indie electronic, indie folk, indie pop, indie rock, indietronica,
    industrial, instrumental hip hop, Italo disco, jangle pop, jazz, jazz fusion, jazz hop, jazz rock, jungle, kizomba,
    klezmer, krautrock, kuduro, kwaito, Latin jazz, Latin rock, liquid drum and bass, lo-fi, lo-fi hip hop, lo-fi house,
    lounge, mambo, mariachi, math rock, medieval folk, melodic death metal, melodic dubstep, melodic techno, merengue,
    minimal techno, minimalism, modern classical, musique concrete, neo soul, neofolk, neurofunk, new age, new jack
    swing, new wave, noise pop, noise rock, nu disco, nu jazz, nu metal, opera, orchestral, outlaw country, outrun,
    phonk, piano ballad, piano house, plainchant, polka, pop punk, post-bop, post-hardcore, post-punk, post-rock, power
    ballad, power metal, power pop, progressive house, progressive rock, progressive trance, psybient, psychedelic folk,
    psychedelic pop, psychedelic rock, psytrance, punk rock, qawwali, R&B, ragtime, rai, reggae, reggaeton, rock, rock
    and roll, rockabilly, rocksteady, roots reggae, rumba, salsa, samba, sea shanty, shoegaze, ska, ska punk, skiffle,
    slowcore, sludge metal, smooth jazz, soca, soft rock, soul, soul jazz, southern rock, space ambient, space disco,
    space rock, speed garage, spiritual jazz, stoner rock, stride piano, surf rock, swing, symphonic metal, symphonic
    rock, synth-pop, synthwave, tango, tech house, techno, Tex-Mex, thrash metal, trance, trap, trip hop, tropical
    house, twee pop, UK garage, uplifting trance, vaporwave, vocal jazz, Western swing, witch house, world fusion, zouk,
    zydeco
key:
    A flat major, A major, A minor, B flat major, B minor, C dorian, C major, C minor, C sharp minor, D dorian, D major,
    D minor, E flat major, E major, E minor, E phrygian, F lydian, F major, F minor, F sharp minor, G major, G minor, G
    mixolydian
melodic:
    accordion, acoustic guitar, alto flute, alto saxophone, analog synthesizer, balafon, balalaika, bandoneon, banjo,
    bansuri, baritone guitar, bass clarinet, bass guitar, bass synthesizer, bassoon, bouzouki, bowed vibraphone,
    cavaquinho, celesta, cello, chamber organ, charango, chromatic harmonica, cimbalom, clarinet, classical guitar,
    clavichord, clavinet, clean electric guitar, concert harp, concertina, contrabassoon, cornet, crystal bowl,
    didgeridoo, distorted guitar, dizi, double bass, duduk, dulcimer, electric bass, electric guitar, electric piano,
    electric sitar, electric violin, English horn, erhu, euphonium, felt piano, fiddle, fingerstyle guitar, flamenco
    guitar, flugelhorn, flute, French horn, fretless bass, gayageum, glass harmonica, glockenspiel, grand piano, guqin,
    guzheng, handpan, Hardanger fiddle, harmonica, harmonium, harp, harpsichord, honky-tonk piano, hurdy-gurdy, kalimba,
    kantele, kanun, kaval, kora, koto, lap steel guitar, lute, lyre, mandolin, marimba, mbira, modular synthesizer,
    music box, muted trumpet, ney, ngoni, nyckelharpa, nylon-string guitar, oboe, ocarina, oud, pan flute, pedal steel
    guitar, piano, piccolo, pipa, pipe organ, prepared piano, recorder, reed organ, resonator guitar, santoor, sarangi,
    sarod, saxophone, shakuhachi, shamisen, shehnai, singing bowl, sitar, slide guitar, soprano saxophone, steel pan,
    suona, synthesizer, tenor saxophone, theremin, tin whistle, toy piano, trombone, trumpet, tuba, tubular bells,
    twelve-string guitar, uilleann pipes, ukulele, upright bass, upright piano, veena, vibraphone, viola, viola da
    gamba, violin, xylophone, yangqin, zither
meter:
    12/8, 2/4, 3/4, 4/4, 5/4, 6/8, 7/8, 9/8
mood:
    aggressive, airy, anxious, bittersweet, bold, bouncy, brooding, calm, carefree, cheerful, contemplative, cozy, dark,
    defiant, delicate, determined, dramatic, dreamy, eerie, elegant, energetic, enigmatic, epic, ethereal, euphoric,
    exuberant, festive, fierce, fiery, furious, gentle, gloomy, graceful, gritty, happy, haunting, heartfelt, heroic,
    hopeful, hypnotic, intense, intimate, introspective, joyful, lonely, majestic, meditative, melancholic, mellow,
    mischievous, mournful, mysterious, nostalgic, ominous, optimistic, passionate, peaceful, playful, quirky, relaxing,
    restless, romantic, sad, serene, sinister, solemn, soothing, soulful, suspenseful, tender, tense, triumphant,
    uplifting, whimsical
percussion:
    bodhran, bongos, cajon, castanets, congas, darbuka, dholak, djembe, frame drums, gongs, hand drums, mridangam, snare
    drums, tabla, taiko drums, talking drum, tambourine, timpani, washboard, woodblocks
region:
    Algerian, Amazonian, Anatolian, Andalusian, Andean, Appalachian, Arabic, Argentine, Armenian, Azerbaijani, Balinese,
    Balkan, Basque, Bavarian, Bengali, Bolivian, Brazilian, Breton, Bulgarian, Cajun, Cambodian, Cape Verdean,
    Caribbean, Catalan, Celtic, Chinese, Colombian, Congolese, Corsican, Cretan, Croatian, Cuban, Czech, Egyptian,
    Ethiopian, Filipino, Finnish, French, Galician, Georgian, Ghanaian, Greek, Haitian, Hawaiian, Hungarian, Icelandic,
    Indian, Indonesian, Irish, Italian, Jamaican, Japanese, Javanese, Kazakh, Kenyan, Korean, Lebanese, Malagasy,
    Malian, Maltese, Mexican, Mongolian, Moroccan, Neapolitan, Nepalese, Nigerian, Nordic, Norwegian, Okinawan, Persian,
    Peruvian, Polish, Polynesian, Portuguese, Provencal, Punjabi, Romanian, Russian, Sardinian, Scottish, Senegalese,
    Sicilian, Spanish, Sudanese, Swedish, Tahitian, Thai, Tibetan, Tunisian, Turkish, Tuvan, Ukrainian, Uzbek,
    Vietnamese, Welsh, Zimbabwean
scene:
    a barn dance, a bedtime story, a birthday party, a board meeting, a bookshop, a boss fight, a campfire, a candlelit
    dinner, a car chase, a carnival parade, a castle siege, a circus act, a city skyline, a cocktail hour, a coffee
    shop, a coming-of-age film, a cooking video, a costume ball, a courtroom scene, a desert road, a documentary
    opening, a dragon hunt, a farmers market, a fashion show, a fireworks display, a first dance, a forest walk, a ghost
    story, a graduation ceremony, a gym workout, a harvest festival, a haunted house, a heist, a holiday dinner, a
    homecoming, a late-night drive, a lazy afternoon, a magic show, a medieval banquet, a meditation session, a moonlit
    beach, a morning run, a mountain climb, a night market, a nursery, a pirate voyage, a podcast intro, a product
    launch, a puppet show, a puzzle level, a quiet study, a race against time, a rainy window, a road trip, a rooftop
    party, a royal coronation, a sailing trip, a school play, a silent film, a slow sunrise, a snowy village, a spa, a
    space voyage, a sports montage, a spring garden, a storm at sea, a sunset cruise, a temple ruin, a time-lapse video,
    a toy commercial, a train journey, a travel vlog, a treasure hunt, a tutorial, a wedding, a wildlife documentary, a
    winter sleigh ride, a yoga class, an airport lounge, an alien landing, an art gallery, an autumn walk, an elevator
    ride, an empty church, an evening by the fire, an open-air cinema, an underwater cave
soundtrack:
    action film, adventure film, adventure game, animated film, anime opening, arcade game, battle royale, biopic, boss
    battle, children's show, city-building game, coming-of-age drama, cooking show, costume drama, courtroom drama,
    crime series, desert adventure, detective series, disaster film, dungeon crawler, dystopian film, espionage
    thriller, exploration game, fairy tale, family film, fantasy film, fantasy game, farming game, fighting game, film
    noir, game show, ghost film, gothic horror, heist film, high school comedy, historical drama, horror film, horror
    game, indie film, jungle adventure, kung fu film, martial arts film, medical drama, monster film, murder mystery,
    mystery series, nature documentary, news broadcast, ocean documentary, period romance, pirate film, platform game,
    political thriller, post-apocalyptic film, psychological thriller, puzzle game, quiz show, racing game, road movie,
    role-playing game, romantic comedy, samurai film, science documentary, science fiction film, silent comedy, sitcom,
    space opera, sports drama, spy film, stealth game, stop-motion film, strategy game, survival game, talk show, travel
    documentary, true crime podcast, war film, western, wildlife film, zombie film
style:
    analog, bass-heavy, binaural, bright, cassette-worn, cavernous, chopped-up, cinematic, close-miked, crisp,
    crystalline, deep, distorted, dry, dusty, echo-laden, filtered, full-bodied, fuzzy, glitchy, glossy, grainy,
    half-time, hard-hitting, hazy, hi-fi, home-recorded, layered, live-sounding, loop-based, lush, maximalist, minimal,
    muffled, noisy, organic, overdriven, percussive, polished, punchy, radio-ready, raw, reverb-drenched, sample-based,
    saturated, sidechained, slowed-down, smooth, spacious, sparse, stripped-back, sun-bleached, syncopated,
    tape-saturated, unplugged, vintage-sounding, warm, widescreen
tempo:
    brisk, fast, leisurely, medium-paced, mid-tempo, moderate, quick, slow, slow-burning, steady, unhurried, up-tempo,
    very fast, very slow
texture:
    airy pads, ambient swells, arpeggiated synths, bell-like plucks, booming sub-bass, bowed drones, breathy choirs,
    bright handclaps, brushed snares, bubbling sequences, chopped samples, clattering percussion, close harmonies, crisp
    hi-hats, crunchy bass, dense harmonies, detuned oscillators, distant choirs, droning strings, dusty breaks, echoing
    chimes, evolving pads, fluttering arpeggios, frozen reverbs, fuzzy bass, gated reverb, ghostly whispers, glassy
    bells, glitchy percussion, grainy loops, granular clouds, hand percussion, hazy delays, heavy drums, humming tones,
    icy synths, interlocking rhythms, layered harmonies, lush strings, metallic percussion, muted brass, pizzicato
    strings, plucked strings, pulsing bass, reversed echoes, rich chords, rippling harmonics, rolling percussion,
    rumbling low end, shimmering cymbals, shimmering synths, sidechained pads, soaring strings, soft mallets, sparse
    drums, staccato strings, sustained brass, swirling phasers, syncopated claps, tape hiss, thick distortion, tremolo
    chords, tribal drums, vinyl crackle, warm organ, whispered vocals, wobbling bass
"""
