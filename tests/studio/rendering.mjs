// Functions that run in the page. They render the engine in an OfflineAudioContext and measure what it plays.

export const inPage = `(${function install() {
  const HALF = 0.5;

  // A hash of the frame: noise that any frame can be computed of alone.
  function noise(frame, seed) {
    let x = Math.imul(frame + 1, 0x9e3779b1) ^ Math.imul(seed + 1, 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
    x = Math.imul(x ^ (x >>> 12), 0x297a2d39);
    return ((x ^ (x >>> 15)) >> 8) / (1 << 23) / 2;
  }

  const signals = {
    noise: (frame, channel) => noise(frame, channel),
    inverted: (frame, channel) => -noise(frame, channel),
    sine: (frame, _, rate) => HALF * Math.sin((2 * Math.PI * 440 * frame) / rate),
    clicks: (frame, _, rate) => (frame % (rate / 2) < 32 ? HALF : 0),
    silence: () => 0,
  };

  function lane(id, signal, format, channelCount = 2) {
    const { sampleRateHz, frameCount, segmentFrames } = format;
    return {
      id,
      channelCount,
      async load(index) {
        const start = index * segmentFrames;
        const length = Math.min(segmentFrames, frameCount - start);
        const buffer = new AudioBuffer({ length, numberOfChannels: channelCount, sampleRate: sampleRateHz });
        for (let channel = 0; channel < channelCount; channel++) {
          const samples = buffer.getChannelData(channel);
          for (let frame = 0; frame < length; frame++) {
            samples[frame] = signals[signal](start + frame, channel, sampleRateHz);
          }
        }
        return buffer;
      },
    };
  }

  /** Render `seconds`. `actions` are [time, method, ...arguments]; times are multiples of the step. */
  async function render({ Engine }, { format, lanes, seconds, actions = [], mix = {}, step = 0.5, original = null, alternatives = null }) {
    const rate = format.sampleRateHz;
    const context = new OfflineAudioContext(2, Math.ceil(seconds * rate), rate);
    const states = [];
    const engine = new Engine(format, lanes, {
      createContext: () => context,
      original,
      alternatives,
      onState: (state) => states.push(state),
    });
    engine.setMix(new Map(Object.entries(mix)));
    const settle = async () => {
      for (let turn = 0; turn < 3; turn++) {
        engine.tick();
        await new Promise((resolve) => setTimeout(resolve));
      }
      engine.tick();
    };
    for (const [, method, ...args] of actions.filter(([time]) => time < 0)) await engine[method](...args);
    const positions = [];
    for (let time = step; time < seconds; time += step) {
      context.suspend(time).then(async () => {
        for (const [at, method, ...args] of actions) {
          if (Math.abs(at - time) < step / 2) {
            await engine[method](...args);
          }
        }
        await settle();
        positions.push(engine.position);
        context.resume();
      });
    }
    await engine.play();
    await settle();
    const rendered = await context.startRendering();
    return { left: rendered.getChannelData(0), right: rendered.getChannelData(1), positions, states, cacheBytes: engine.cache.bytes };
  }

  const peakOf = (samples) => samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
  const decibels = (value) => (value === 0 ? -400 : 20 * Math.log10(value));

  globalThis.measuring = { decibels, lane, noise, peakOf, render, signals };
}})()`;
