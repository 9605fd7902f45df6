"""Words of suggested prompts. A template's slots are the groups' names; "{a mood}" puts the article before the word."""

MUSIC_TEMPLATES = """
{mood} {genre} with {instrument}
{era} {genre} with {texture}
{mood} music for {scene}
{tempo} {genre} with {a mood} groove
solo {instrument} in {key}
{ensemble} playing {a mood} theme in {key}
{region} folk music fused with {genre}
{mood} {soundtrack} with {instrument}
{mood} yet {mood} {genre}
{genre} at {bpm} BPM with {instrument}
{a mood} {genre} piece in {key}
a journey from {mood} to {mood} {genre}
{genre} meets {genre} with {instrument}
{style} {genre} with {texture}
{a mood} {instrument} melody over {texture}
{instrument} and {instrument} duet, {mood} and {mood}
{mood} {genre} in {meter} time
{era} {soundtrack} with {ensemble}
{style} {instrument} loop for {scene}
{tempo} {region} dance with {instrument}
"""

SOUND_TEMPLATES = """
{source} in {place}
{modifier} {source}
ambience of {place} at {time}
{a modifier} {machine} {motion}
{animal} calling at {time}
people {doing} in {place}
{weather} over {place}
{a modifier} {creature} growling in {place}
{a modifier} {vehicle} passing by
footsteps echoing through {place}
{machine} running in {place} at {time}
distant battle with {weapon}
{a modifier} whisper in {place} at {time}
{a modifier} interface {signal}
ball bouncing in {place}, {modifier} echo
{food} sizzling in a pan at {time}
{tool} working in {place}
{a modifier} radio message from {place}
"""

MUSIC_WORDS = """
bpm: 60, 70, 80, 90, 100, 110, 120, 128, 140, 160, 174
ensemble: big band, brass band, chamber orchestra, jazz trio, piano trio, string quartet, woodwind quintet
era: 1960s, 1970s, 1980s, 1990s, baroque, futuristic, medieval, modern, renaissance, retro, victorian, vintage
genre: acid jazz, afrobeat, ambient, bebop, blues, boom bap, bossa nova, breakbeat, celtic folk, chillhop, chiptune, cumbia, deep house, disco, downtempo, dream pop, drum and bass, dubstep, flamenco, funk, garage rock, gospel, heavy metal, hip hop, indie rock, jazz, lo-fi, motown soul, orchestral, pop punk, psytrance, salsa, samba, shoegaze, swing, synthwave, tango, techno, trance, trap
instrument: acoustic guitar, bagpipes, banjo, cello, clarinet, djembe, double bass, electric guitar, erhu, fiddle, flute, harmonica, harp, kalimba, koto, mandolin, oboe, oud, piano, saxophone, shamisen, sitar, synthesizer, trombone, trumpet, ukulele, viola, violin
key: A minor, B flat major, C major, C minor, D dorian, D minor, E minor, E phrygian, F lydian, F major, G major, G mixolydian
meter: 3/4, 4/4, 5/4, 6/8, 7/8, 12/8
mood: aggressive, brooding, calm, cheerful, dark, dramatic, dreamy, energetic, epic, ethereal, furious, gentle, happy, haunting, hopeful, hypnotic, intense, joyful, lonely, melancholic, mellow, mysterious, nostalgic, ominous, peaceful, playful, relaxing, romantic, sad, serene, soulful, tender, tense, triumphant, uplifting
region: Andean, Arabic, Balkan, Caribbean, Celtic, Chinese, Indian, Irish, Japanese, Korean, Nordic, Persian, Scottish, Turkish
scene: a boss fight, a campfire, a coffee shop, a desert road, a forest walk, a gym workout, a haunted house, a holiday dinner, a night drive, a quiet study, a space voyage, a spa, a summer festival, a wedding, a yoga class
soundtrack: adventure film score, arcade game theme, detective movie theme, documentary score, fantasy game music, horror film score, trailer music
style: analog, dusty, lush, minimal, polished, raw, stripped-back, warm
tempo: brisk, fast, medium, moderate, slow, steady
texture: airy pads, a warm drone, crisp drums, deep bass, distant choirs, glassy bells, rolling percussion, shimmering synths, soft strings, tape hiss, vinyl crackle
"""

SOUND_WORDS = """
animal: crickets, crows, dogs, frogs, gulls, owls, sparrows, wolves
creature: dragon, ghost, goblin, monster, ogre, zombie
doing: arguing, chatting, clapping, cheering, eating, laughing, running, singing, whispering, yelling
food: bacon, eggs, garlic, mushrooms, onions, sausages
machine: air compressor, clock, conveyor belt, engine, fan, generator, printer, pump, robot, turbine
modifier: aged, bright, crisp, deep, distant, eerie, faint, gentle, harsh, heavy, hollow, loud, metallic, muffled, old, rusty, sharp, slow, soft, sudden, tiny, wet
motion: grinding to a halt, humming steadily, overheating, powering up, rattling, shutting down
place: a busy market, a canyon, a cathedral, a cave, a city street, a dense forest, a factory, a harbor, a kitchen, a large hall, a library, a long corridor, a mountain valley, a parking garage, a quiet beach, a spaceship, a stadium, a subway station, a swamp, a tunnel, an abandoned house, an attic, an empty office
signal: alert, beep, chime, click, error tone, notification, swipe
source: applause, bells, breaking glass, chains, creaking wood, dripping water, flapping cloth, flowing water, keys jingling, laughter, paper rustling, rain, sparks, thunder, typing, wind, wings
time: dawn, dusk, midnight, night, noon, sunrise, sunset
tool: chainsaw, drill, hammer, jackhammer, saw, sander
vehicle: ambulance, bicycle, bus, helicopter, motorcycle, steam train, tractor, truck
weapon: arrows, cannons, explosions, lasers, rifles, swords
weather: drizzle, hail, heavy rain, howling wind, light snow, rolling thunder, sleet
"""
