/** Every component of the design system in every state. */

import { useState } from "preact/hooks";
import type { Level } from "../audio/strip.ts";
import { Button, Dialog, Fader, JobBadge, LevelMeter, Notice, Pan, ProgressBar, Slider } from "../ui/components.tsx";
import { Icon, type IconName } from "../ui/icons.tsx";
import { ClipExamples } from "./clip-examples.tsx";
import { FormExamples } from "./forms.tsx";

const ICONS: readonly IconName[] = [
  "play",
  "pause",
  "start",
  "previous",
  "next",
  "list",
  "up",
  "down",
  "heart",
  "more",
  "loop",
  "metronome",
  "plus",
  "minus",
  "spectrogram",
  "close",
  "help",
];
const COLOURS = [
  "canvas",
  "surface",
  "sunken",
  "raised",
  "line",
  "ink",
  "quiet-ink",
  "accent",
  "good",
  "warning",
  "bad",
];
const LANES = ["drums", "bass", "other", "vocals", "guitar", "piano", "mix"];
const STATUSES = ["queued", "processing", "completed", "failed"] as const;
const LOUD = (): Level => ({ left: 0.9, right: 0.4 });
const nothing = () => {};

export default function ComponentsPage() {
  const [volume, setVolume] = useState(1);
  const [pan, setPan] = useState(-0.3);
  const [isOn, turn] = useState(true);
  const [isOpen, open] = useState(false);
  return (
    <div class="page">
      <h1>Components</h1>
      <Group name="Colours">
        {[...COLOURS, ...LANES.map((lane) => `lane-${lane}`)].map((name) => (
          <span class="field" key={name}>
            <span class="panel" style={{ background: `var(--${name})`, width: "1.5rem", height: "1.5rem" }} />
            {name}
          </span>
        ))}
      </Group>
      <Group name="Text">
        <h1>Title</h1>
        <h2>Heading</h2>
        <p>Text</p>
        <p class="quiet">Quiet text</p>
        <p class="number">0123456789</p>
        <kbd>Space</kbd>
        <a href="/studio/components">Link to this page</a>
      </Group>
      <Group name="Buttons">
        <Button label="Plain" onClick={nothing}>
          Plain
        </Button>
        <Button label="Primary" look="primary" onClick={nothing}>
          Primary
        </Button>
        <Button label="Quiet" look="quiet" onClick={nothing}>
          Quiet
        </Button>
        <Button label="Disabled" disabled onClick={nothing}>
          Disabled
        </Button>
        <Button label="Toggle" pressed={isOn} onClick={() => turn(!isOn)}>
          Toggle
        </Button>
        <Button label="With icon" icon="play" onClick={nothing}>
          With icon
        </Button>
        {ICONS.map((icon) => (
          <Button key={icon} label={icon} icon={icon} onClick={nothing} />
        ))}
        <span class="field">
          <Icon name="help" />
        </span>
      </Group>
      <Group name="Inputs">
        <label class="field">
          Text
          <input class="input" />
        </label>
        <label class="field">
          Choice
          <select class="input">
            <option>One</option>
            <option>Two</option>
          </select>
        </label>
      </Group>
      <Group name="Sliders">
        <Fader label="Volume" volume={volume} onInput={setVolume} />
        <Pan label="Pan" pan={pan} onInput={setPan} />
        <Slider label="Speed" value={1} min={0.5} max={2} step={0.05} neutral={1} text="1 times" onInput={nothing} />
      </Group>
      <Group name="Meters and progress">
        <LevelMeter label="Silent" level={LOUD} active={false} />
        <LevelMeter label="Loud" level={LOUD} active={true} />
        <ProgressBar label="Nothing done" percent={0} />
        <ProgressBar label="Half done" percent={50} />
        <ProgressBar label="Done" percent={100} />
      </Group>
      <Group name="Badges">
        {STATUSES.map((status) => (
          <JobBadge key={status} job={{ status, error: null }} />
        ))}
        <JobBadge job={{ status: "failed", error: "cancelled" }} />
        <span class="badge">4 stems</span>
      </Group>
      <Group name="Notices">
        <Notice>Something to know.</Notice>
        <Notice
          look="bad"
          action={
            <Button label="Try again" onClick={nothing}>
              Try again
            </Button>
          }
        >
          Something failed. This is what to do.
        </Notice>
      </Group>
      <Group name="Dialog">
        <Button label="Open the dialog" onClick={() => open(true)}>
          Open the dialog
        </Button>
        {isOpen && (
          <Dialog title="Dialog" onClose={() => open(false)}>
            <p>Escape closes it.</p>
          </Dialog>
        )}
      </Group>
      <FormExamples />
      <ClipExamples />
    </div>
  );
}

function Group({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return (
    <section aria-label={name}>
      <h2>{name}</h2>
      <div class="row">{children}</div>
    </section>
  );
}
