/** The transport: play, position, loop, metronome, speed, pitch, original, master volume and zoom. */

import { useCallback, useRef } from "preact/hooks";
import { Button, Fader, LevelMeter, Slider } from "../../ui/components.tsx";
import { timeText } from "../../waveform/view.ts";
import { useEachFrame } from "./frames.ts";
import { CurrentChord } from "./harmony.tsx";
import type { Player } from "./player.ts";

export function Transport({ player }: { player: Player }) {
  const level = useCallback(() => player.engine.masterLevel(), [player]);
  const isPlaying = player.isPlaying.value;
  const { beats, beatsPerBar } = player.music.grid.value;
  const hasBeats = beats.length > 1;
  const counted = Array.from({ length: beatsPerBar }, (_, beat) => beat + 1).join(" ");
  return (
    <section class="transport panel" aria-label="Transport">
      <div class="row">
        <Button label="To the beginning" icon="start" look="quiet" onClick={() => player.seek(0)} />
        <Button
          label={isPlaying ? "Pause" : "Play"}
          icon={isPlaying ? "pause" : "play"}
          look="primary"
          onClick={() => player.toggle()}
        />
        <Position player={player} />
        <CurrentChord player={player} />
      </div>
      <div class="row tools">
        <Button
          label={player.loop.value ? "End the loop" : "Loop the visible part"}
          icon="loop"
          pressed={player.loop.value !== null}
          onClick={() => player.toggleLoop()}
        />
        <Button
          label="Metronome"
          icon="metronome"
          pressed={player.metronome.value}
          disabled={!hasBeats}
          onClick={() => {
            player.metronome.value = !player.metronome.value;
          }}
        />
        <Button
          label={`Count in: ${counted}`}
          pressed={player.countIn.value}
          disabled={!hasBeats}
          onClick={() => {
            player.countIn.value = !player.countIn.value;
          }}
        >
          {counted}
        </Button>
        <Button
          label="Bar 1 here: begin the bars at the beat of the position"
          disabled={!hasBeats}
          onClick={() => player.beginBarsHere()}
        >
          Bar 1 here
        </Button>
        {!player.isWhole && (
          <Button
            label={player.mix ? "Hear the original" : "Separate the track again to hear the original"}
            pressed={player.hearsOriginal.value}
            disabled={!player.mix}
            onClick={() => {
              player.hearsOriginal.value = !player.hearsOriginal.value;
            }}
          >
            Original
          </Button>
        )}
      </div>
      <div class="knob">
        <span class="quiet">Speed</span>
        <span class="number">{player.speed.value.toFixed(2)}×</span>
        <Slider
          label="Speed"
          value={player.speed.value}
          min={0.5}
          max={2}
          step={0.05}
          neutral={1}
          isCentred
          text={`${player.speed.value.toFixed(2)} times`}
          onInput={(value) => {
            player.speed.value = value;
          }}
        />
      </div>
      <div class="knob">
        <span class="quiet">Pitch</span>
        <span class="number">{semitoneText(player.semitones.value)}</span>
        <Slider
          label="Pitch"
          value={player.semitones.value}
          min={-12}
          max={12}
          step={1}
          neutral={0}
          isCentred
          text={`${semitoneText(player.semitones.value)} semitones`}
          onInput={(value) => {
            player.semitones.value = value;
          }}
        />
      </div>
      <div class="knob wide">
        <span class="quiet">Master</span>
        <LevelMeter label="Level of the mix" level={level} active={player.state.value === "playing"} />
        <Fader
          label="Master volume"
          volume={player.master.value}
          onInput={(volume) => {
            player.master.value = volume;
          }}
        />
      </div>
    </section>
  );
}

function semitoneText(semitones: number): string {
  return semitones > 0 ? `+${semitones}` : String(semitones).replace("-", "−");
}

/** The position as text and as a slider. Both follow playback without rendering the page again. */
function Position({ player }: { player: Player }) {
  const text = useRef<HTMLSpanElement>(null);
  const slider = useRef<HTMLInputElement>(null);
  const seconds = player.frameCount / player.sampleRateHz;
  const shown = useRef("");
  useEachFrame(() => {
    const now = player.position / player.sampleRateHz;
    const time = timeText(now, 1);
    if (time === shown.current || !text.current || !slider.current) return;
    shown.current = time;
    text.current.textContent = time;
    slider.current.value = String(now);
    slider.current.setAttribute("aria-valuetext", `${timeText(now)} of ${timeText(seconds)}`);
    slider.current.style.setProperty("--to", `${(100 * now) / seconds}%`);
  });
  return (
    <div class="position">
      <span class="number position-time" ref={text} />
      <span class="number quiet">{timeText(seconds)}</span>
      <input
        class="fader"
        type="range"
        aria-label="Position"
        min={0}
        max={seconds}
        step={0.1}
        ref={slider}
        onInput={(event) => player.seek(event.currentTarget.valueAsNumber * player.sampleRateHz)}
      />
    </div>
  );
}
