"""Cues: words and phrases that indicate a category. Each line has the key of a category and its cues.

The name of a category is also a cue. A hyphen in a cue matches a space or nothing. A trailing ~ marks a verb. Plurals and
verb forms are derived.
"""

MUSIC_QUALITIES = """
ambient drone meditation nature_music space dark_ambient cinematic epic trailer dramatic suspense heroic romantic
acoustic chill study cafe happy sad angry peaceful mysterious scary inspirational upbeat relaxing intense gentle
retro arcade 80s 70s 60s corporate advertising youtube podcast game_music holiday workout kids
"""
AUDIO_QUALITIES = """
whoosh metal wood water electronic mechanical drone scifi horror tension cartoon funny
"""
"""Keys that describe the mood, the material or the use of a clip. Keys that describe the sound score higher."""

COMPOUNDS = """
alarm clock, car alarm, fire alarm, fire engine, garage rock, gun fire, howling wind, machine gun, power chord, tin whistle,
war drum, wind howling, wine glass
"""
"""Phrases whose words must not match on their own: a machine gun is not a machine."""

MUSIC = """
electronic: electro, electronica, synth, synthesizer, sequencer, modular, idm, electropop, hyperpop, glitch, arpeggio, drum machine, electronic beat
edm: dance pop, dance music, big room, festival, eurodance, rave, club, hardstyle, future bass, bass music, bass drop
house: deep house, disco house, four on the floor, garage, uk garage, amapiano, house beat
techno: warehouse, industrial techno, acid, minimal techno, detroit, schranz, electroclash
trance: uplifting trance, psy-trance, goa, supersaw, psybient, trance gate, psychedelic trance
dubstep: wobble, brostep, wub, bass drop, riddim, chillstep, growl bass, grime
drum_and_bass: drum n bass, dnb, jungle, break-beat, breakcore, neurofunk, liquid funk, amen break
synthwave: synth-wave, retro-wave, outrun, vapor-wave, chillwave, darksynth, neon, dream-wave, synth-pop, neon city
ambient: ambience, atmospheric, soundscape, ethereal, pad, texture, background, airy, new age, ambient pad
drone: hum~, sustained, droning, tanpura, shruti, monotone, drone bed, bowed drone
meditation: meditative, zen, yoga, mindful, mindfulness, spa, singing bowl, healing, mantra, chakra, meditation session
nature_music: nature, forest, rain, birdsong, ocean, river, waterfall, wildlife, field recording, nature sound
space: cosmic, galaxy, nebula, interstellar, orbit, starlight, astral, planet, space voyage, outer space
dark_ambient: dark, darkness, ominous, abyss, desolate, bleak, sinister, void, brooding, dark drone
cinematic: film, movie, soundtrack, score, widescreen, montage, biopic, underscore, film score, movie theme
epic: heroic, massive, battle, legendary, anthem, majestic, grand, colossal, epic choir, war drum
orchestral: orchestra, symphony, symphonic, philharmonic, full orchestra, chamber orchestra, conductor, string section
trailer: teaser, braam, blockbuster, riser, movie trailer, action film
dramatic: drama, powerful, tragic, intense, theatrical, solemn, opera, passionate, dramatic build
suspense: suspenseful, tension, tense, thriller, detective, heist, spy, chase, anxious, noir, crime scene
heroic: hero, brave, triumphant, victory, adventure, bold, courage, noble, fanfare, hero theme
romantic: romance, love, tender, wedding, passionate, intimate, valentine, heartfelt, candlelit, love song, first dance
classical: baroque, sonata, concerto, chamber music, fugue, waltz, minuet, prelude, renaissance, opera, classical era
piano: grand piano, pianist, rhodes, keys, nocturne, ragtime, stride, clavichord, felt piano, piano melody, piano ballad
guitar: guitarist, strum~, fingerpicked, ukulele, banjo, riff, fingerstyle, pedal steel, lap steel, guitar solo
strings: string, violin, violinist, viola, cello, pizzicato, bowed, hurdy-gurdy, string quartet, double bass
orchestra_section: brass, woodwind, horn, trumpet, trombone, flute, clarinet, oboe, bassoon, tuba, timpani, brass section
acoustic: unplugged, folk, campfire, mandolin, americana, bluegrass, country, fiddle, lute, acoustic guitar, singer songwriter
lofi: lo-fi, vinyl crackle, tape hiss, dusty, cassette, lo-fi beat, lo-fi hip-hop, bedroom pop
chillhop: chill-hop, jazz hop, jazzy beat, mellow beat, jazz-hop, chill beat, chilled hip-hop
chill: chilled, chill-out, mellow, laid back, down-tempo, lounge, trip hop, easy listening, carefree, chill vibe
study: studying, focus, concentration, concentrate, homework, reading, library, study session, deep focus
cafe: coffee shop, coffee-house, bossa nova, bistro, barista, espresso, bookshop, cocktail hour, cafe jazz
hiphop: hip-hop, rap, rapper, turntable, scratch~, phonk, g-funk, mc, old school hip hop
trap: 808, hi-hat roll, drill, trap beat, cloud rap, phonk, triplet hi-hat, trap soul
boom_bap: boom-bap, old school hip hop, golden age, chopped sample, dusty drum, east coast, nineties rap
instrumental_hiphop: instrumental hip hop, instrumental hip-hop, beat tape, sampled beat, rap instrumental, beatmaker, mpc
rock: garage rock, rock and roll, electric guitar, power chord, drum kit, band, rockabilly, krautrock, distorted guitar, classic rock
indie: indie rock, indie pop, dream pop, shoegaze, jangly, indietronica, bedroom pop, slowcore, britpop, indie folk
metal: heavy metal, thrash, death metal, doom, distorted guitar, double kick, headbang~, djent, shred~, metal riff
punk: punk rock, pop punk, hardcore, mosh, ska, emo, post-punk, riot, skate, three chord
grunge: seattle, sludgy, fuzz, fuzzy, sludge, flannel, grunge rock, stoner rock
jazz: jazzy, swing, bebop, saxophone, sax, hard bop, big band, dixieland, ragtime, double bass, walking bass, smooth jazz
blues: bluesy, slide guitar, harmonica, soulful, delta, shuffle, boogie-woogie, twelve bar, blues rock
soul: soulful, motown, gospel, rnb, r and b, r b, neo soul, doo-wop, spiritual, soul ballad
funk: funky, groove, groovy, slap bass, clavinet, wah wah, syncopated, funk rock, funky bass
world: tribal, ethnic, world music, didgeridoo, folk dance, fusion, klezmer, balkan, polka, gamelan, hawaiian, folk melody
asian: japanese, chinese, koto, shamisen, erhu, gamelan, guzheng, korean, indian, sitar, tabla, thai, pipa, bamboo flute
latin: salsa, samba, bossa nova, tango, reggaeton, cumbia, flamenco, mariachi, bachata, merengue, rumba, mambo, latin jazz
african: afro-beat, djembe, kora, kalimba, highlife, balafon, mbira, ethiopian, nigerian, kenyan, afro house, talking drum
celtic: irish, scottish, bagpipe, fiddle, tin whistle, harp, jig, reel, bodhran, welsh, breton, celtic harp
middle_eastern: arabic, oud, persian, turkish, darbuka, desert, qanun, kanun, ney, egyptian, lebanese, middle east, belly dance
happy: happiness, joyful, cheerful, sunny, playful, joy, bright, festive, optimistic, carefree, exuberant, feel good
sad: sadness, melancholy, melancholic, sorrowful, lonely, grief, heartbreak, mournful, bittersweet, wistful, gloomy, broken heart
angry: anger, aggressive, rage, fury, furious, brutal, fierce, hostile, defiant, full of rage
peaceful: peace, calm, serene, serenity, tranquil, quiet, soothing, still, gentle breeze, inner peace
mysterious: mystery, enigmatic, eerie, secret, mystic, mystical, enigma, haunting, curious, murder mystery
scary: horror, creepy, spooky, haunted, terrifying, nightmare, eerie, sinister, ghost, zombie, horror film, haunted house
inspirational: inspiring, uplifting, hopeful, motivational, hope, optimistic, motivating, inspire~, dream big, new beginning
upbeat: energetic, lively, bouncy, up-tempo, catchy, brisk, exuberant, euphoric, fast, high energy
relaxing: relax~, relaxation, soothing, unwind, sleep, lullaby, spa, calming, leisurely, stress relief, bedtime story
intense: intensity, driving, relentless, powerful, fierce, frantic, furious, fiery, restless, high intensity
gentle: gently, soft, softly, delicate, tender, light, lullaby, graceful, subtle, warm, gentle touch
retro: vintage, nostalgic, nostalgia, old school, oldies, throwback, old-time, golden-age, mid-century
chiptune: chip-tune, 8-bit, 16-bit, pixel, game console, chip music, bit-crushed, square wave
arcade: coin op, pinball, 8-bit, joystick, arcade game, high score, arcade machine
80s: eighties, 1980s, new wave, gated drum, synth-pop, 80s pop, power ballad
70s: seventies, 1970s, disco, prog rock, progressive rock, 70s soul, roller disco
60s: sixties, 1960s, surf rock, beat group, psychedelic, psychedelic rock, 60s pop, british invasion
corporate: business, presentation, company, office, startup, professional, technology, product launch, explainer video
advertising: advert, ad, commercial, jingle, promo, brand, promotional, product launch, radio spot, tv spot
youtube: vlog, vlogger, intro, outro, tutorial, travel vlog, video intro, time-lapse, channel intro
podcast: talk show, interview, radio show, news, broadcast, podcast intro, true crime, quiz show, game show
game_music: video game, game, boss fight, level, rpg, dungeon, boss battle, role playing, platformer, game over, fantasy game
holiday: christmas, xmas, festive, sleigh bell, halloween, carol, hanukkah, winter wonderland, new year
workout: gym, fitness, exercise, training, cardio, running, jogging, aerobics, morning run, pump up
kids: kid, children, child, nursery, toy, playground, cartoon, puppet, music box, nursery rhyme, school play
"""

AUDIO = """
notification: notify, alert, ping~, chime, ding, message, incoming call, ringtone, reminder, alert tone
button: click~, tap~, ui click, switch, toggle~, press~, button press, interface, ui, mouse click
menu: select, hover~, navigation, interface, scroll~, menu select, pause screen, dialog
success: correct, achievement, win, victory, unlock~, reward, bonus, complete, level up, task complete
error: wrong, fail~, failure, buzzer, denied, invalid, cancel, glitch, access denied, wrong answer
typing: type~, keyboard, typewriter, keystroke, keypress, teletype, typist, mechanical keyboard, keyboard clicks
whoosh: swoosh, swish, fly by, swipe~, swing~, air whip, whip~, whoosh~, fast pass
impact: hit, thud, slam~, punch, smash, thump~, knock, bang, blow, heavy impact, body fall
explosion: explode~, blast, bomb, detonation, boom, debris, grenade, dynamite, firework, rocket launch, building demolition
crash: crash~, collision, wreck, debris, smash, shatter~, collapse~, crumble~, car crash, falling rocks
jump: jump~, hop~, leap~, bounce~, boing, trampoline, spring, double jump
footstep: foot-step, step, walk~, gravel, boot, running, hurrying, stomp~, march~, tiptoe, high heels
rain: rainfall, rainy, drizzle, downpour, raindrop, storm, rain-storm, shower, hailstorm, heavy rain
wind: windy, breeze, gust, gale, blizzard, howling wind, wind howling, storm, whirlwind, desert wind
thunder: thunder-storm, lightning, thunderclap, storm, rumble~, rolling thunder, lightning strike
water: splash, drip~, stream, river, bubble~, faucet, waterfall, pour~, rapids, creek, underwater, running water
ocean: sea, wave, surf, beach, seashore, shore, tide, seaside, harbor, crashing waves
fire: flame, campfire, burn~, torch, bonfire, ember, fireplace, crackle~, crackling fire, wood fire
forest: woods, jungle, woodland, leaves, nature, rainforest, meadow, swamp, bamboo grove, pine forest
bird: chirp~, tweet, crow, seagull, owl, birdsong, rooster, pigeon, gull, goose, geese, duck, sparrow, parrot, dawn chorus
dog: bark~, puppy, woof, growl~, howl~, hound, wolf, wolves, whimper~, canine, barking dog
cat: meow~, purr~, kitten, hiss, feline, tomcat, meowing cat, kitty
insect: bee, cricket, mosquito, cicada, buzz, fly, flies, wasp, swarm, bug, beetle, buzzing insect
monster: creature, beast, roar~, growl~, dragon, zombie, ogre, troll, demon, werewolf, goblin, giant spider
voice: speech, speak~, talk~, whisper~, vocal, announcer, announcement, chat~, sing~, choir, human voice
laugh: laugh~, laughter, giggle~, chuckle~, cackle~, snicker, evil laugh, laugh track
scream: scream~, shriek~, yell~, shout~, wail~, screech, howl of pain, blood-curdling, battle cry
breath: breathe~, gasp~, sigh~, pant~, inhale~, exhale~, snore~, heavy breathing
eating: eat~, chew~, crunch, bite, munch, swallow, sip~, gulp, slurp, fry~, sizzle~, cook~, chewing food
crowd: audience, applause, applaud~, cheer~, people, stadium, chatter, spectator, market, cheering crowd
door: knock~, gate, creak~, hinge, doorbell, doorknob, latch, slam, shutter, creaking door, door slam
glass: shatter~, bottle, window, wine-glass, crystal, jar, clink~, breaking glass
metal: metallic, clang~, steel, iron, chain, anvil, rusty, coin, clank~, scrap metal, metal pipe
wood: wooden, plank, timber, log, branch, floorboard, saw, chop~, twig, wood creak
paper: page, rustle~, crumple~, cardboard, tear~, envelope, newspaper, book, turning pages
cloth: fabric, clothing, clothes, zipper, jacket, curtain, flap~, velvet, leather, tearing fabric
bell: church-bell, chime, gong, jingle~, toll~, doorbell, wind chime, cowbell, bicycle bell, bell tower
engine: motor, car, truck, train, motorcycle, helicopter, vehicle, bus, tractor, airplane, idling, race car, fire engine
mechanical: machine, gear, clockwork, machinery, piston, factory, ratchet, clock, turbine, pump, conveyor, drill, ticking clock
electronic: digital, synth, beep~, electric, blip, bleep, tone, static, electric hum, circuit
robot: robotic, android, servo, droid, cyborg, mech, automaton, robot voice, robotic arm
gun: gunshot, gunfire, pistol, rifle, shotgun, machine gun, gun fire, reload~, bullet, cannon, artillery, sniper
laser: ray gun, blaster, plasma, beam, phaser, zap~, laser blast, laser beam
sword: blade, knife, dagger, unsheathe~, duel, fencing, katana, sword fight, clashing steel
magic: magical, spell, wizard, enchanted, wand, fairy, sorcerer, witch, magic spell, arcane
sparkle: twinkle~, shimmer~, glitter~, glisten, sparkly, tinkle, fairy dust, magic dust
portal: teleport~, warp~, vortex, wormhole, gateway, dimension, teleporter, time travel, magic portal
power_up: power-up, level up, charge up, boost~, powering up, upgrade, energize, charging up
heal: heal~, potion, restore~, cure~, revive, health, regenerate~, health pack, healing spell
scifi: sci-fi, science fiction, spaceship, futuristic, alien, space, ufo, starship, hologram, space station
computer: data, server, terminal, modem, laptop, login, download, hard drive, boot sequence, floppy disk
alarm: siren, warning, emergency, buzzer, alarm clock, fire alarm, car alarm, evacuation, air raid, red alert
drone: hum~, drone~, buzz, quadcopter, low rumble, constant hum, room tone
horror: scary, creepy, haunted, spooky, eerie, nightmare, terrifying, sinister, graveyard, horror scene
tension: suspense, suspenseful, tense, riser, ominous, heartbeat, anxious, rising tension, low drone
ghost: spirit, haunted, ghostly, phantom, spooky, banshee, poltergeist, apparition, wailing spirit
cartoon: toon, boing, slapstick, cartoonish, comic, slide whistle, wacky, animated, cartoon slip
funny: comedy, comedic, silly, goofy, fart, comic, clown, whimsical, kazoo, funny voice
drum: snare, cymbal, tom, drummer, percussion, bongo, kick drum, drum roll, war drum, drum loop
stinger: sting, orchestral hit, dramatic hit, musical sting, fanfare, brass hit, logo sting
transition: riser, sweep, swell, segue, scene change, downlifter, transition effect
"""
