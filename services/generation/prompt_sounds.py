"""Templates and words for suggested sound effect prompts. ``prompts.py`` describes the format."""

TEMPLATES = """
{household} {indoors}
{modifier+source} {time}
ambience of {-place} {time}
{worn+machine} {motion}
{animals} {outdoors} {time}
{people} {doing} {venue}
{weather} and {nature} {outdoors}
{temper+creature} {growling} {lair}
{worn+vehicle} {driving} {road}
room tone {indoors} with {household}
{machine} {motion} {works} {time}
{weapon} and {warfare} {battlefield}
{modifier+dread} {haunt} {time}
{a tone} {signal} for {event}
{sport} {arena} with {spectators}
{food} {cooking} {pan} {time}
{tool} {cutting} {material} {works}
{voice+message} over {device}
"""

WORDS = """
animals:
    bats squeaking, cats fighting, chickens clucking, cicadas buzzing, crickets chirping, dogs barking, donkeys
    braying, flies buzzing, geese honking, insects humming, jackdaws chattering, pigs grunting, seagulls crying,
    sparrows chirping, swifts screaming, woodpeckers drumming
arena:
    at a training ground, in a gym, in a packed stadium, in a school hall, in a sports dome, in a village park, in
    an empty arena, in an open-air arena, on a campus, on a rooftop court
battlefield:
    at a castle gate, in a besieged city, in a burning village, in a jungle clearing, in a muddy trench, in a narrow
    gorge, on a battlefield, on a frozen plain
cooking:
    browning, crackling, frying, hissing, popping, searing, simmering, sizzling, spitting, sputtering
creature:
    a banshee, a beast, a demon, a dragon, a giant spider, a golem, a hydra, a mummy, a sea serpent, a shapeshifter,
    a swamp monster, a vampire, a zombie, an alien, an ice giant, an orc
cutting:
    biting into, carving into, chewing through, cutting into, digging into, eating into, grating on, scraping
    against, striking, working on
device:
    a baby monitor, a broken speaker, a cockpit intercom, a crackling telephone, a field telephone, a megaphone, a
    police scanner, a public address system, a satellite link, a shortwave radio, a spacesuit radio, a submarine
    intercom, a tin-can telephone, a walkie-talkie, an answering machine, an old television
doing:
    applauding, bursting into laughter, cheering, clapping in time, coughing, gasping, grumbling, humming a tune,
    mingling, rejoicing, shuffling about, sneezing, talking at once, telling stories, whispering, yelling
dread:
    a bloodcurdling scream, a child humming, a creaking coffin, a heartbeat, a low growl, a music box, a rattling
    chain, a sobbing voice, a tolling bell, a whisper, an evil laugh, dragging footsteps, fingernails on glass,
    knocking, scratching claws, whispering voices
driving:
    accelerating, backfiring, braking hard, crawling along, idling, passing by, pulling away, racing, reversing,
    rolling slowly, shifting gears, skidding, speeding, stalling, turning around
event:
    a bonus point, a button press, a countdown, a failed login, a game over screen, a menu selection, a new message,
    a power-up, a screen unlock, a spelling error, a system warning, a timer, a toggle switch, a wrong answer, an
    error dialog, an unlocked achievement
fixture:
    a cash register, a falling tree, a fog horn, a grandfather clock, a pinball machine, a sewing machine, a shower,
    a splashing fountain, a washing machine, a water wheel, an aquarium pump, breaking waves, crashing surf,
    dripping icicles, footsteps in snow, footsteps on carpet, footsteps on sand, lapping water, trickling water
food:
    bacon, chicken wings, chopped onions, dumplings, egg noodles, fish fillets, garlic, meatballs, mushrooms,
    peppers, pork ribs, prawns, sausages, steak, sweet corn, zucchini
growling:
    breathing heavily, chewing on bones, clawing at rocks, gnashing its teeth, growling, grunting, hissing, howling,
    lurking, roaring, shrieking, slithering closer, snarling, stomping closer, waking up
haunt:
    behind a locked door, in a foggy graveyard, in a ruined castle, in a sealed tomb, in an abandoned hospital, in
    an empty theater, in the catacombs, under the floorboards
household:
    a ballpoint pen clicking, a bedside radio, a boiling kettle, a cat purring, a ceiling fan, a creaking
    floorboard, a creaking hinge, a dripping faucet, a humming refrigerator, a keyboard, a light switch clicking, a
    phone ringing, a record player, a slamming door, a spinning coin, a ticking clock, a typewriter, a wind-up toy,
    an air conditioner, an alarm clock, an electric razor, breaking glass, footsteps on tiles, footsteps on wood,
    hushed voices, jingling keys, pouring water, rattling dishes
indoors:
    at a bowling alley, at a police station, in a coffee shop, in a concert hall, in a courtroom, in a crowded bar,
    in a hospital ward, in a pantry, in a restaurant, in a server room, in a tailor's workshop, in a tiled shower,
    in an empty office, on a subway platform, on a train, under a staircase
lair:
    in a bottomless pit, in a damp cave, in a dungeon, in a frozen cavern, in a misty swamp, in an ancient temple,
    under a mountain, under a stone bridge
machine:
    a band saw, a bottling machine, a cooling fan, a diesel generator, a gas turbine, a labeling machine, a milling
    machine, a motor, a packing machine, a sorting machine, a steam engine, a threshing machine, a turbine, a water
    pump, an assembly robot, an industrial loom
material:
    asphalt, brick, ceramic tiles, concrete, drywall, granite, hardwood, limestone, marble, oak beams, plywood, roof
    slates, sandstone, scrap metal, sheet metal, steel bars
message:
    a broadcast, a cry for help, a distress call, a launch countdown, a nursery rhyme, a police dispatch, a prayer,
    a recorded announcement, a secret message, a speech, a stern warning, a storm warning, a traffic report, a
    weather forecast, an evacuation order, numbers read aloud
modifier:
    amplified, crisp, distorted, echoing, eerie, filtered, ghostly, hollow, lingering, muffled, pulsing,
    reverberant, shrill, strange, subdued, unsettling
motion:
    cooling down, creaking under load, humming steadily, idling roughly, knocking loudly, losing pressure, powering
    up, revving up, running smoothly, shaking violently, shutting down, spinning erratically, spluttering to life,
    stopping and starting, whining under strain, winding down
nature:
    a barking dog, a bicycle bell, a church bell, a crackling bonfire, a creaking gate, a dripping gutter, a passing
    airplane, a passing train, a siren, a squeaky swing, an idling engine, buzzing insects, chirping crickets,
    clanking chains, creaking timber, footsteps in wet mud, footsteps on gravel, scattered voices, singing birds,
    sliding gravel, wind chimes
outdoors:
    at a farm gate, beside a waterfall, by a mountain stream, by a river, in a busy market, in a city park, in a
    dense forest, in a fishing harbor, in a flower meadow, in a mangrove swamp, in a narrow street, in a pine
    forest, in a rainforest, in a suburban garden, near a highway, on a quiet beach, on a rocky shore, under a
    railway arch
pan:
    in a cast-iron pan, in a clay pot, in a dry skillet, in a hot wok, in a restaurant kitchen, in hot oil, in
    melted butter, on a camp stove, on a charcoal grill, on a gas burner, on a griddle, over an open fire
people:
    a choir, a crowd, a few workers, a large family, a small audience, children, elderly people, fans, friends,
    neighbors, office workers, schoolchildren, teenagers, tourists, two people, wedding guests
road:
    around a sharp corner, down a country lane, down a steep hill, in a parking lot, in a tunnel, on a dirt track,
    on a gravel road, on a highway, on a wet street, over a bridge, through a village, through deep mud
signal:
    alert, beep, bleep, chime, chirp, click, confirmation tone, ding, ping, plop, ringtone, sparkle, swipe, swoosh,
    tap, trill
spectators:
    a booing crowd, a brass fanfare, a cheering crowd, a coach shouting, a drum roll, a murmuring audience, a
    referee whistling, a roaring crowd, a scoreboard buzzer, a stadium announcer, an air horn, applauding parents,
    chanting fans, chatting spectators, scattered applause, stamping feet
sport:
    a basketball dribbling, a boxing match, a fencing duel, a handball game, a jump rope swishing, a karate bout, a
    relay race, a skateboard rolling, a starting pistol firing, a table tennis rally, a tennis serve, a weightlifter
    straining, a wrestling match, an arrow hitting a target, roller skates gliding, running shoes squeaking
temper:
    angry, bloodthirsty, cunning, dying, enormous, enraged, hideous, hungry, immortal, monstrous, restless, sleepy,
    starving, unseen, wounded
time:
    after dark, all night long, around noon, at dusk, at midnight, at night, at sunset, before sunrise, deep in the
    night, in early spring, in midwinter, in the morning, late at night, on a spring day, on a winter night, on an
    autumn evening
tone:
    airy, bell-like, bubbly, crisp, friendly, futuristic, happy, metallic, minimal, polite, retro, rounded, soft,
    subtle, urgent, woody
tool:
    a belt sander, a bench grinder, a chainsaw, a circular saw, a diamond cutter, a hacksaw, a handsaw, a hole saw,
    a jackhammer, a milling cutter, a pickaxe, a pneumatic hammer, a power drill, a rasp, an angle grinder, an axe
vehicle:
    a bus, a cargo truck, a dump truck, a fire engine, a food truck, a garbage truck, a motorcycle, a pickup truck,
    a police car, a race car, a sports car, a street sweeper, a tractor, a vintage car, an ambulance, an off-road
    buggy
venue:
    at a fairground, at a street party, in a busy market, in a classroom, in a coffee shop, in a concert hall, in a
    crowded bar, in a hospital ward, in a playground, in a restaurant, in a stairwell, in an airport lounge, on a
    quiet beach, on a subway platform, on a train, under a bridge
voice:
    broken-up, calm, crackly, distorted, emotionless, faint, garbled, hoarse, looped, muffled, robotic, shaky,
    solemn, stuttering, tense
warfare:
    a charging cavalry, a retreat horn, alarm bells, breaking shields, clashing swords, collapsing walls, falling
    debris, galloping horses, marching boots, rallying cries, ricocheting bullets, rolling tanks, shouted orders,
    splintering wood, wounded soldiers groaning
weapon:
    arrow volleys, artillery fire, bowstrings, cannon fire, explosions, grenades, gunfire, gunshots, laser blasts,
    machine-gun bursts, mortar fire, musket volleys, rifle fire, rocket launches, shellfire, war drums
weather:
    a cold breeze, a gentle breeze, a light drizzle, a light shower, a sudden downpour, a summer shower, a
    thunderstorm, distant thunder, drizzling rain, falling sleet, gusting wind, heavy rain, howling wind, light
    rain, pouring rain, rolling thunder, steady rain, whistling wind
works:
    at a power station, at a printing press, in a brewery, in a factory, in a foundry, in a machine shop, in a paper
    mill, in a repair shop, in a sawmill, in a shipyard, in a steel mill, in a textile mill, in a train depot, on a
    building site, on a loading dock, on an assembly line
worn:
    antique, clunky, creaky, cumbersome, dusty, huge, neglected, old, poorly oiled, powerful, rusty, shaky, squeaky,
    tiny, unstable, worn-out
"""
