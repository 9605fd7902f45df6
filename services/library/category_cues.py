"""Words that point to a category: one line for each key, in table order; a key's own name is a cue without being listed.

A hyphen in a cue stands for a space or for nothing. Plurals and verb forms are derived.
"""

MUSIC = """
electronic: electro, synth, synthesizer, sequencer, modular, idm
edm: dance music, big room, festival, drop, rave, club
house: deep house, disco house, four on the floor, garage
techno: warehouse, industrial techno, acid, minimal techno
trance: uplifting trance, psy-trance, goa, supersaw
dubstep: wobble, brostep, wub, bass drop
drum_and_bass: drum n bass, dnb, jungle, break-beat, liquid funk
synthwave: synth-wave, retro-wave, outrun, vapor-wave, neon
ambient: ambience, atmospheric, soundscape, ethereal, pad, texture, background
drone: hum, sustained, droning, tanpura
meditation: zen, yoga, mindful, spa, singing bowl, healing
nature_music: nature, forest, rain, birdsong, ocean, river, waterfall
space: cosmic, galaxy, nebula, interstellar, orbit, starlight
dark_ambient: dark, darkness, ominous, abyss, desolate
cinematic: film, movie, soundtrack, score, widescreen
epic: heroic, massive, battle, legendary, anthem
orchestral: orchestra, symphony, symphonic, philharmonic
trailer: teaser, braam, blockbuster
dramatic: drama, powerful, tragic, intense
suspense: suspenseful, tension, tense, thriller, detective
heroic: hero, brave, triumphant, victory, adventure
romantic: romance, love, tender, wedding, passionate
classical: baroque, sonata, concerto, chamber music, fugue, waltz
piano: grand piano, pianist, rhodes, keys, nocturne
guitar: guitarist, strum, fingerpicked, ukulele, banjo, riff
strings: string, violin, viola, cello, string quartet
orchestra_section: brass, woodwind, horn, trumpet, trombone, flute, clarinet, oboe, timpani
acoustic: unplugged, folk, singer songwriter, campfire, mandolin
lofi: lo-fi, vinyl crackle, tape hiss, dusty
chillhop: chill-hop, jazzy beat, mellow beat
chill: chilled, chill-out, mellow, laid back, downtempo
study: focus, concentration, homework, reading
cafe: coffee shop, coffee-house, bossa nova, bistro
hiphop: hip-hop, rap, rapper, turntable, scratch
trap: 808, hi-hat roll, drill
boom_bap: boom-bap, old school hip hop, golden age
instrumental_hiphop: instrumental hip hop, beat tape, sampled beat
rock: rock and roll, electric guitar, power chord, drum kit, band
indie: indie rock, indie pop, dream pop, shoegaze, jangly
metal: heavy metal, thrash, death metal, doom, distorted guitar, double kick
punk: punk rock, pop punk, hardcore, mosh
grunge: seattle, sludgy, fuzz
jazz: jazzy, swing, bebop, saxophone, sax, double bass, walking bass
blues: bluesy, slide guitar, harmonica, soulful, delta
soul: soulful, motown, gospel, rnb, r and b
funk: funky, groove, groovy, slap bass, clavinet
world: tribal, ethnic, world music, didgeridoo, folk dance
asian: japanese, chinese, koto, shamisen, erhu, gamelan, guzheng, korean, indian, sitar
latin: salsa, samba, bossa nova, tango, reggaeton, cumbia, flamenco, mariachi
african: afro-beat, djembe, kora, kalimba, highlife, balafon
celtic: irish, scottish, bagpipe, fiddle, tin whistle, harp, jig
middle_eastern: arabic, oud, persian, turkish, darbuka, desert, qanun
happy: joyful, cheerful, sunny, playful, joy, bright
sad: melancholy, melancholic, sorrowful, lonely, grief, heartbreak, mournful
angry: aggressive, rage, fury, furious, brutal
peaceful: calm, serene, tranquil, quiet, soothing
mysterious: mystery, enigmatic, eerie, secret, mystic
scary: horror, creepy, spooky, haunted, terrifying, nightmare, eerie
inspirational: inspiring, uplifting, hopeful, motivational, hope
upbeat: energetic, lively, bouncy, up-tempo, catchy
relaxing: relax, relaxed, soothing, unwind, sleep, lullaby
intense: driving, relentless, powerful, fierce, frantic
gentle: soft, delicate, tender, light, lullaby
retro: vintage, nostalgic, old school, oldies
chiptune: chip-tune, 8-bit, 16-bit, pixel, game console
arcade: coin op, pinball, 8-bit, joystick
80s: eighties, 1980s, new wave, gated drum
70s: seventies, 1970s, disco, prog rock
60s: sixties, 1960s, surf rock, beat group
corporate: business, presentation, company, office
advertising: advert, ad, commercial, jingle, promo
youtube: vlog, intro, outro, tutorial
podcast: talk show, interview, radio show
game_music: video game, game, boss fight, level, rpg, dungeon
holiday: christmas, xmas, festive, sleigh bell, halloween
workout: gym, fitness, running, training, cardio
kids: children, child, nursery, toy, playground
"""

AUDIO = """
notification: notify, alert, ping, chime, ding
button: click, tap, ui click, switch, toggle
menu: menu select, hover, navigation, interface
success: correct, achievement, level up, complete, win
error: wrong, fail, failure, buzzer, denied
typing: type, keyboard, typewriter, keystroke
whoosh: swoosh, swish, fly by, swipe
impact: hit, thud, slam, punch, smash
explosion: explode, blast, bomb, detonation, boom, debris
crash: collision, wreck, debris, smash, shatter
jump: hop, leap, bounce, boing
footstep: step, walk, gravel, boot, running
rain: rainfall, drizzle, downpour, raindrop, storm
wind: windy, breeze, gust, gale, howling wind, storm
thunder: thunder-storm, lightning, thunderclap, storm
water: splash, drip, stream, river, bubble, faucet, waterfall
ocean: sea, wave, surf, beach, seashore
fire: flame, campfire, burn, crackling fire, torch
forest: woods, jungle, woodland, leaves, nature
bird: chirp, tweet, crow, seagull, owl, birdsong, rooster
dog: bark, puppy, woof, growl, howl, hound
cat: meow, purr, kitten, hiss
insect: bee, cricket, mosquito, cicada, buzz, fly
monster: creature, beast, roar, growl, dragon, zombie
voice: speech, speak, talk, whisper, vocal, announcer
laugh: laughter, giggle, chuckle, cackle
scream: shriek, yell, shout, wail
breath: breathe, breathing, gasp, sigh, pant
eating: eat, chew, crunch, bite, munch, swallow
crowd: audience, applause, cheer, people, stadium, chatter
door: knock, gate, creak, hinge, doorbell
glass: shatter, bottle, window, wine glass
metal: metallic, clang, steel, iron, chain, anvil
wood: wooden, plank, timber, log
paper: page, rustle, crumple, cardboard, tear
cloth: fabric, clothing, zipper, jacket
bell: church bell, chime, gong, jingle
engine: motor, car, truck, train, motorcycle, helicopter, vehicle
mechanical: machine, gear, clockwork, machinery, piston, factory, ratchet, clock
electronic: digital, synth, beep, electric
robot: robotic, android, servo, droid, cyborg
gun: gunshot, pistol, rifle, shotgun, machine gun, reload
laser: ray gun, blaster, plasma, beam
sword: blade, sword fight, knife, dagger, unsheathe
magic: magical, spell, wizard, enchanted, wand
sparkle: twinkle, shimmer, glitter, fairy dust
portal: teleport, warp, vortex, wormhole
power_up: power-up, level up, charge up, boost
heal: healing, potion, restore, cure
scifi: sci-fi, science fiction, spaceship, futuristic, alien, space
computer: data, server, hard drive, terminal, modem
alarm: siren, warning, alarm clock, emergency, buzzer
drone: hum, low rumble, droning
horror: scary, creepy, haunted, spooky, eerie
tension: suspense, tense, riser, ominous
ghost: spirit, haunted, ghostly, phantom, spooky
cartoon: toon, boing, slapstick, cartoonish
funny: comedy, silly, goofy, fart, comic
drum: snare, kick drum, cymbal, drum roll, tom
stinger: sting, orchestral hit, dramatic hit
transition: riser, sweep, scene change
"""
