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
    bats squeaking, bees swarming, blackbirds singing, bullfrogs croaking, cats fighting, chickens clucking, cicadas
    buzzing, coyotes howling, crickets chirping, crows cawing, dogs barking, donkeys braying, doves cooing, ducks
    quacking, eagles screeching, flies buzzing, foxes yelping, geese honking, goats bleating, horses neighing, insects
    humming, jackdaws chattering, mosquitoes whining, owls hooting, pigeons fluttering, pigs grunting, roosters crowing,
    seagulls crying, sheep bleating, sparrows chirping, swifts screaming, toads croaking, turkeys gobbling, wolves
    howling, woodpeckers drumming
arena:
    at a training ground, in a gym, in a packed stadium, in a school hall, in a sports dome, in a village park, in an
    empty arena, in an open-air arena, on a campus, on a rooftop court
battlefield:
    at a castle gate, in a besieged city, in a burning village, in a jungle clearing, in a muddy trench, in a narrow
    gorge, on a battlefield, on a frozen plain
cooking:
    browning, crackling, frying, hissing, popping, searing, simmering, sizzling, spitting, sputtering
creature:
    a banshee, a beast, a demon, a dragon, a ghoul, a giant spider, a goblin, a golem, a griffin, a hydra, a kraken, a
    mummy, a mutant, a phantom, a sea serpent, a shapeshifter, a swamp monster, a troll, a vampire, a werewolf, a
    zombie, an alien, an ice giant, an ogre, an orc
cutting:
    biting into, carving into, chewing through, cutting into, digging into, eating into, grating on, scraping against,
    striking, working on
device:
    a baby monitor, a broken speaker, a cockpit intercom, a crackling telephone, a field telephone, a loudspeaker, a
    megaphone, a police scanner, a public address system, a satellite link, a school intercom, a shortwave radio, a
    spacesuit radio, a submarine intercom, a tin-can telephone, a walkie-talkie, an answering machine, an old television
doing:
    applauding, arguing, booing, bursting into laughter, chanting, chatting, cheering, clapping in time, coughing,
    counting aloud, eating noisily, gasping, gathering, giggling, grumbling, humming a tune, hurrying past, laughing,
    mingling, murmuring, praying quietly, queuing, rejoicing, saying goodbye, shouting, shuffling about, sighing,
    singing, sneezing, stomping, taking photographs, talking at once, telling stories, toasting, waiting quietly,
    whispering, whistling, yawning, yelling
dread:
    a bloodcurdling scream, a child humming, a creaking coffin, a death rattle, a heartbeat, a low growl, a music box, a
    rattling chain, a sobbing voice, a tolling bell, a wailing spirit, a whisper, an evil laugh, dragging footsteps,
    fingernails on glass, heavy breathing, knocking, scratching claws, whispering voices
driving:
    accelerating, backfiring, braking hard, crawling along, idling, passing by, pulling away, racing, reversing, rolling
    slowly, shifting gears, skidding, speeding, stalling, turning around
event:
    a bonus point, a booking confirmation, a button press, a cancelled order, a completed download, a countdown, a
    failed login, a finished upload, a friend request, a game over screen, a hidden item, a low battery, a menu
    selection, a missed call, a new high score, a new message, a page turn, a power-up, a save point, a screen unlock, a
    spelling error, a successful payment, a system warning, a timer, a toggle switch, a voice assistant, a wrong answer,
    an error dialog, an incoming call, an unlocked achievement
fixture:
    a bathtub draining, a cash register, a coffee grinder, a dishwasher, a falling tree, a flushing toilet, a fog horn,
    a galloping horse, a grandfather clock, a hissing geyser, a lawn sprinkler, a microwave, a photocopier, a pinball
    machine, a popping toaster, a rocking chair, a sewing machine, a shower, a snoring sleeper, a splashing fountain, a
    squeaky mattress, a washing machine, a water wheel, an aquarium pump, an ice-cream van, an old radiator, breaking
    waves, clattering hooves, crashing surf, dripping icicles, flowing lava, footsteps in snow, footsteps on carpet,
    footsteps on sand, lapping water, laughing gulls, rushing rapids, shrieking parrots, stirring spoons, trickling
    water
food:
    bacon, bean sprouts, chicken wings, chopped onions, chorizo, dumplings, egg noodles, eggs, fish fillets, garlic,
    lamb chops, meatballs, mushrooms, pancakes, peppers, pork ribs, potatoes, prawns, sausages, sliced eggplant, steak,
    sweet corn, tofu, zucchini
growling:
    breathing heavily, chewing on bones, clawing at rocks, gnashing its teeth, growling, grunting, hissing, howling,
    lurking, roaring, shrieking, slithering closer, snarling, stomping closer, waking up
haunt:
    behind a locked door, in a foggy graveyard, in a ruined castle, in a sealed tomb, in an abandoned hospital, in an
    empty theater, in the catacombs, under the floorboards
household:
    a ballpoint pen clicking, a banging shutter, a bedside radio, a boiling kettle, a cat purring, a ceiling fan, a
    creaking floorboard, a creaking hinge, a crying baby, a dripping faucet, a flickering fluorescent lamp, a hair
    dryer, a humming refrigerator, a jar lid opening, a keyboard, a light switch clicking, a match striking, a music
    box, a phone ringing, a popping champagne cork, a rattling window, a record player, a rolling suitcase, a rubber
    stamp, a slamming door, a sliding drawer, a spinning coin, a ticking clock, a toothbrush, a typewriter, a vacuum
    cleaner, a ventilation duct, a whirring paper shredder, a wind-up toy, a zipper closing, an air conditioner, an
    alarm clock, an electric razor, an opening umbrella, breaking glass, clinking bottles, clinking glasses, crumpling
    paper, footsteps on tiles, footsteps on wood, hushed voices, jingling keys, pages turning, pots and pans, pouring
    water, rattling dishes, rustling fabric, scissors cutting cloth, scraping chairs, shuffling cards, shuffling
    slippers, spilling marbles, tearing cardboard, whispered gossip
indoors:
    at a bowling alley, at a dinner table, at a hotel reception, at a police station, in a bakery, in a ballroom, in a
    banquet hall, in a barber shop, in a basement, in a bathroom, in a bedroom, in a bookshop, in a bus terminal, in a
    cathedral, in a chapel, in a cinema lobby, in a classroom, in a coffee shop, in a concert hall, in a courtroom, in a
    crowded bar, in a department store, in a dormitory, in a garage, in a greenhouse, in a gym, in a hallway, in a
    hospital ward, in a kitchen, in a large hall, in a laundry room, in a library, in a lighthouse, in a log cabin, in a
    museum, in a nursery, in a pantry, in a parking garage, in a recording studio, in a restaurant, in a school
    cafeteria, in a server room, in a small closet, in a stairwell, in a supermarket, in a tailor's workshop, in a
    theater foyer, in a tiled shower, in a waiting room, in a wine cellar, in an airport lounge, in an apartment, in an
    art gallery, in an attic, in an elevator, in an empty office, in an indoor pool, on a subway platform, on a train,
    under a staircase
lair:
    in a bottomless pit, in a damp cave, in a dungeon, in a frozen cavern, in a misty swamp, in an ancient temple, under
    a mountain, under a stone bridge
machine:
    a band saw, a boiler, a bottling machine, a cement mixer, a conveyor belt, a cooling fan, a diesel generator, a
    drill press, a forklift, a gas turbine, a hydraulic lift, a labeling machine, a lathe, a milling machine, a motor, a
    packing machine, a pneumatic press, a printer, a pump, a robotic arm, a sorting machine, a steam engine, a threshing
    machine, a tower crane, a turbine, a water pump, a winch, an air compressor, an assembly robot, an industrial loom
material:
    asphalt, brick, ceramic tiles, concrete, copper pipes, drywall, granite, hardwood, limestone, marble, oak beams,
    pine boards, plywood, roof slates, sandstone, scrap metal, sheet metal, steel bars
message:
    a broadcast, a coded transmission, a cry for help, a distress call, a launch countdown, a news bulletin, a nursery
    rhyme, a pilot's voice, a police dispatch, a prayer, a recorded announcement, a roll call, a secret message, a
    speech, a stern warning, a storm warning, a tearful goodbye, a traffic report, a weather forecast, an evacuation
    order, laughter, numbers read aloud
modifier:
    amplified, booming, cavernous, close, crisp, deafening, delicate, distant, distorted, dreamlike, dull, echoing,
    eerie, fading, faint, far-off, filtered, fuzzy, garbled, gentle, ghostly, harsh, hazy, high-pitched, hollow,
    intense, intermittent, lingering, loud, low, low-pitched, muffled, nearby, ominous, piercing, pulsing, quiet,
    repeated, resonant, reverberant, rhythmic, sharp, shrill, slow, soft, steady, strange, subdued, sudden, tinny,
    uneven, unsettling
motion:
    cooling down, coughing and dying, creaking under load, humming steadily, idling roughly, jamming suddenly, knocking
    loudly, losing pressure, overheating, powering up, rattling loose, revving up, running smoothly, seizing up, shaking
    violently, shutting down, slowing down, spinning erratically, spinning freely, spluttering to life, starting up,
    stopping and starting, vibrating softly, whining under strain, whirring quietly, winding down
nature:
    a barking dog, a bicycle bell, a bleating lamb, a buzzing bee, a church bell, a cracking branch, a crackling
    bonfire, a creaking gate, a croaking frog, a crowing rooster, a dripping gutter, a drumming woodpecker, a flapping
    flag, a flapping tarpaulin, a passing airplane, a passing train, a rolling boulder, a siren, a squeaky swing, a
    swarm of bees, an idling engine, buzzing insects, chirping crickets, clanking chains, creaking timber, crumbling
    rocks, crunching leaves, flapping wings, footsteps in wet mud, footsteps on gravel, popping embers, rattling fences,
    rustling leaves, scattered voices, singing birds, sliding gravel, snapping twigs, swaying reeds, whistling cables,
    wind chimes
outdoors:
    along a hedgerow, at a bus stop, at a campsite, at a crossroads, at a farm gate, behind a barn, beneath a cliff,
    beside a canal, beside a lake, beside a waterfall, by a duck pond, by a mountain stream, by a river, in a back
    alley, in a bamboo grove, in a birch wood, in a busy market, in a cemetery, in a city park, in a cobbled courtyard,
    in a cornfield, in a deep canyon, in a dense forest, in a desert, in a fishing harbor, in a flower meadow, in a
    mangrove swamp, in a mountain valley, in a narrow street, in a pine forest, in a playground, in a quarry, in a
    rainforest, in a rice field, in a schoolyard, in a small village, in a suburban garden, in a town square, in a
    vineyard, in an orchard, near a highway, near a windmill, on a balcony, on a glacier, on a grassy hill, on a hiking
    trail, on a mountain ridge, on a prairie, on a quiet beach, on a rocky shore, on a rooftop, on a sand dune, on a
    snowy plain, on a suspension bridge, on a wooden pier, under a bridge, under a railway arch, under an old oak
pan:
    in a cast-iron pan, in a clay pot, in a dry skillet, in a hot wok, in a restaurant kitchen, in hot oil, in melted
    butter, on a camp stove, on a charcoal grill, on a gas burner, on a griddle, over an open fire
people:
    a choir, a crowd, a dozen guests, a few workers, a large family, a small audience, a tour group, children, dancers,
    elderly people, fans, friends, neighbors, office workers, passengers, schoolchildren, students, teenagers, tourists,
    travelers, two people, wedding guests
road:
    around a sharp corner, down a country lane, down a steep hill, in a parking lot, in a tunnel, on a dirt track, on a
    gravel road, on a highway, on a wet street, over a bridge, through a village, through deep mud
signal:
    alert, beep, bleep, blip, chime, chirp, click, confirmation tone, ding, jingle, melody, ping, plop, pop, ringtone,
    sparkle, swipe, swoosh, tap, trill
spectators:
    a booing crowd, a brass fanfare, a cheering crowd, a coach shouting, a drum roll, a final whistle, a murmuring
    audience, a referee whistling, a roaring crowd, a scoreboard buzzer, a stadium announcer, an air horn, applauding
    parents, chanting fans, chatting spectators, scattered applause, stamping feet
sport:
    a basketball dribbling, a boxing match, a cricket bat striking, a fencing duel, a handball game, a hockey puck
    sliding, a jump rope swishing, a karate bout, a relay race, a rugby scrum, a skateboard rolling, a soccer ball
    bouncing, a starting pistol firing, a table tennis rally, a tennis serve, a volleyball spike, a weightlifter
    straining, a wrestling match, an arrow hitting a target, an ice skater turning, roller skates gliding, running shoes
    squeaking
temper:
    angry, bloodthirsty, cunning, dying, enormous, enraged, hideous, hungry, immortal, monstrous, restless, sleepy,
    starving, unseen, wounded
time:
    after dark, after midnight, after sunset, all night long, around noon, at dawn, at daybreak, at dusk, at first
    light, at midday, at midnight, at night, at nightfall, at sunrise, at sunset, at twilight, before sunrise, deep in
    the night, early in the morning, in early spring, in midsummer, in midwinter, in the afternoon, in the evening, in
    the morning, late at night, on a spring day, on a summer evening, on a Sunday morning, on a winter night, on an
    autumn evening
tone:
    airy, bell-like, bouncy, bubbly, clean, crisp, digital, friendly, futuristic, gentle, glassy, happy, mellow,
    metallic, minimal, plucky, polite, pulsing, retro, rising, rounded, sharp, short, soft, sparkling, subtle, two-note,
    urgent, warm, woody
tool:
    a belt sander, a bench grinder, a chainsaw, a chisel, a circular saw, a diamond cutter, a hacksaw, a hand drill, a
    handsaw, a hole saw, a jackhammer, a masonry drill, a milling cutter, a pickaxe, a pneumatic hammer, a power drill,
    a rasp, a table saw, an angle grinder, an axe
vehicle:
    a bus, a cargo truck, a coach, a convertible, a delivery van, a dump truck, a fire engine, a food truck, a garbage
    truck, a go-kart, a limousine, a minivan, a moped, a motorcycle, a pickup truck, a police car, a race car, a school
    bus, a scooter, a sports car, a street sweeper, a tank, a taxi, a tractor, a vintage car, an ambulance, an off-road
    buggy
venue:
    at a fairground, at a street party, at a wedding reception, at an auction, in a bus terminal, in a busy market, in a
    classroom, in a coffee shop, in a concert hall, in a crowded bar, in a hospital ward, in a large hall, in a library,
    in a museum, in a playground, in a restaurant, in a school cafeteria, in a schoolyard, in a stairwell, in a town
    square, in a tunnel, in a waiting room, in an airport lounge, in an elevator, on a ferry, on a quiet beach, on a
    rooftop, on a subway platform, on a train, under a bridge
voice:
    broken-up, calm, crackly, distorted, emotionless, faint, garbled, hoarse, looped, muffled, robotic, shaky, solemn,
    stuttering, tense
warfare:
    a charging cavalry, a retreat horn, alarm bells, breaking shields, clashing swords, collapsing walls, falling
    debris, galloping horses, marching boots, rallying cries, ricocheting bullets, rolling tanks, shouted orders,
    splintering wood, wounded soldiers groaning
weapon:
    arrow volleys, artillery fire, bowstrings, cannon fire, catapults, explosions, grenades, gunfire, gunshots, laser
    blasts, machine-gun bursts, mortar fire, musket volleys, plasma bolts, rifle fire, rocket launches, shellfire, war
    drums
weather:
    a cold breeze, a gentle breeze, a hailstorm, a light drizzle, a light shower, a strong gale, a sudden downpour, a
    summer shower, a thunderstorm, a whirlwind, distant thunder, drizzling rain, falling sleet, gusting wind, heavy
    rain, howling wind, light rain, pouring rain, rolling thunder, steady rain, whistling wind
works:
    at a power station, at a printing press, in a brewery, in a factory, in a foundry, in a machine shop, in a mine
    shaft, in a paper mill, in a repair shop, in a sawmill, in a shipyard, in a steel mill, in a textile mill, in a
    train depot, in a warehouse, on a building site, on a loading dock, on an assembly line
worn:
    antique, battered, clunky, creaky, cumbersome, dented, dusty, heavy-duty, huge, neglected, noisy, old, overloaded,
    poorly oiled, powerful, rickety, rusty, shaky, small, squeaky, sturdy, tiny, unstable, well-oiled, worn-out
"""
