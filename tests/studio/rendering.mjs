// Renders the engine of the build in an OfflineAudioContext of a page, and measures what it plays.

import { readFileSync } from "node:fs";
import { join } from "node:path";

const BUILD = join(import.meta.dirname, "../../services/gateway/web/studio");

/** Call a function in the page with the engine, functions for measurements, and a value. */
export async function withEngine(page, measure, value) {
  const manifest = JSON.parse(readFileSync(join(BUILD, ".vite/manifest.json"), "utf8"));
  const module = `/studio/${manifest["src/audio/measure.ts"].file}`;
  return page.evaluate(`import("${module}").then(({ Engine }) => (${measure})((${tools})(Engine), ${JSON.stringify(value)}))`);
}

/** Runs in the page. */
function tools(Engine) {
  const rate = 44_100;
  const format = { sampleRateHz: rate, frameCount: 8 * rate, segmentFrames: 2 * rate };

  // A hash of the frame: noise that any frame can be computed of alone.
  function noise(frame, seed) {
    let x = Math.imul(frame + 1, 0x9e3779b1) ^ Math.imul(seed + 1, 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
    x = Math.imul(x ^ (x >>> 12), 0x297a2d39);
    return ((x ^ (x >>> 15)) >> 8) / (1 << 23) / 2;
  }

  const signals = {
    noise,
    inverted: (frame, channel) => -noise(frame, channel),
    sine: (frame) => 0.5 * Math.sin((2 * Math.PI * 440 * frame) / rate),
    silence: () => 0,
  };

  function lane(id, signal, { frameCount, segmentFrames }) {
    return {
      id,
      channelCount: 2,
      async load(index) {
        const start = index * segmentFrames;
        const length = Math.min(segmentFrames, frameCount - start);
        const buffer = new AudioBuffer({ length, numberOfChannels: 2, sampleRate: rate });
        for (const channel of [0, 1]) {
          const samples = buffer.getChannelData(channel);
          for (let frame = 0; frame < length; frame++) samples[frame] = signals[signal](start + frame, channel);
        }
        return buffer;
      },
    };
  }

  /** Render `seconds`. `actions` are [time, method, ...arguments]; times are multiples of half a second. */
  async function render({ format, lanes, seconds, actions = [], mix = {}, original = null, alternatives = null }) {
    const STEP = 0.5;
    const context = new OfflineAudioContext(2, Math.ceil(seconds * rate), rate);
    const states = [];
    const engine = new Engine(format, lanes, {
      createContext: () => context,
      original,
      alternatives,
      onState: (state) => states.push(state),
    });
    engine.setMix(new Map(Object.entries(mix)));
    const act = async (isDue) => {
      for (const [at, method, ...args] of actions) if (isDue(at)) await engine[method](...args);
    };
    const settle = async () => {
      for (let turn = 0; turn < 3; turn++) {
        engine.tick();
        await new Promise((resolve) => setTimeout(resolve));
      }
      engine.tick();
    };
    await act((at) => at < 0);
    const positions = [];
    for (let time = STEP; time < seconds; time += STEP) {
      context.suspend(time).then(async () => {
        await act((at) => Math.abs(at - time) < STEP / 2);
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

  const decibels = (value) => (value === 0 ? -400 : 20 * Math.log10(value));
  const peak = (samples) => decibels(samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0));

  /** Return the largest difference of `count` samples from those expected, in dB. `origin` is the lead before the first frame. */
  function difference(samples, count, expected, origin = Math.ceil(0.03 * rate)) {
    let worst = 0;
    for (let frame = 0; frame < count; frame++) worst = Math.max(worst, Math.abs(samples[origin + frame] - expected(frame)));
    return decibels(worst);
  }

  return { difference, format, lane, noise, peak, rate, render };
}
