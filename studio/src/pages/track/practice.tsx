/** Practice: another key, a mix without your part, and a loop that gets faster. */

import "./practice.css";
import { useState } from "preact/hooks";
import { keyText, semitonesBetween, TONICS } from "../../music/keys.ts";
import { Button } from "../../ui/components.tsx";
import { Choice, NumberField } from "../../ui/forms.tsx";
import { forgetMix, mixesOf, mixThatMutes, ownMixes, saveMix } from "./mixes.ts";
import type { Player } from "./player.ts";

export function Practice({ player }: { player: Player }) {
  return (
    <section class="panel practice" aria-label="Practice">
      <KeyChoice player={player} />
      {!player.isWhole && <MixChoice player={player} />}
      <Trainer player={player} />
    </section>
  );
}

/** Transposes to a key. The pitch follows. */
function KeyChoice({ player }: { player: Player }) {
  const { key, heardKey, semitones } = player.music;
  const [tonic = "", mode = ""] = key.value.split(" ");
  if (!(TONICS as readonly string[]).includes(tonic)) return null;
  const keys = TONICS.map((name) => `${name} ${mode}`);
  return (
    <Choice
      label="Play in"
      value={heardKey.value}
      options={keys.map((name) => [name, keyText(name) + (name === key.value ? " (original)" : "")] as const)}
      onInput={(name) => {
        semitones.value = semitonesBetween(key.value, name);
      }}
    />
  );
}

/** Mutes stems by the name of a mix. */
function MixChoice({ player }: { player: Player }) {
  const [name, setName] = useState("");
  const types = player.stems.map((stem) => stem.stem_type);
  const muted = types.filter((type) => player.lane(type).mute);
  const mixes = mixesOf(types, ownMixes.value);
  const hasSolo = types.some((type) => player.lane(type).solo);
  const current = hasSolo ? undefined : mixThatMutes(muted, types, mixes);
  const isOwn = current !== undefined && ownMixes.value.includes(current);
  const choose = (wanted: string) => {
    const mix = mixes.find((one) => one.name === wanted);
    if (!mix) return;
    for (const type of types) player.change(type, { mute: mix.muted.includes(type), solo: false });
  };
  return (
    <>
      <Choice
        label="Mix"
        value={current?.name ?? ""}
        options={[
          ...(current ? [] : [["", "as set in the lanes"] as const]),
          ...mixes.map((mix) => [mix.name, mix.name] as const),
        ]}
        onInput={choose}
      />
      {isOwn && (
        <Button
          label={`Forget the mix ${current.name}`}
          icon="close"
          look="quiet"
          onClick={() => forgetMix(current.name)}
        />
      )}
      {!current && !hasSolo && (
        <form
          class="row"
          onSubmit={(event) => {
            event.preventDefault();
            saveMix({ name: name.trim() || `without ${muted.join(" and ")}`, muted });
            setName("");
          }}
        >
          <input
            class="input"
            aria-label="Name of the mix"
            placeholder={`without ${muted.join(" and ")}`}
            maxLength={40}
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
          <button class="button">Save the mix</button>
        </form>
      )}
    </>
  );
}

/** Lets the loop get faster with each pass. */
function Trainer({ player }: { player: Player }) {
  const [from, setFrom] = useState(70);
  const [step, setStep] = useState(5);
  const [limit, setLimit] = useState(100);
  const isOn = player.trainer.value !== null;
  const hasLoop = player.loop.value !== null;
  const start = () => {
    const speedOf = (percent: number) => Math.max(0.5, Math.min(2, percent / 100));
    player.speed.value = speedOf(from);
    player.trainer.value = { step: step / 100, limit: speedOf(limit) };
  };
  return (
    <div class="form" role="group" aria-label="Tempo trainer">
      <NumberField label="Begin at %" value={from} min={50} max={200} onInput={setFrom} />
      <NumberField label="Faster by %" value={step} min={1} max={50} onInput={setStep} />
      <NumberField label="Up to %" value={limit} min={50} max={200} onInput={setLimit} />
      <Button
        label={isOn ? "Stop the tempo trainer" : "Start the tempo trainer"}
        pressed={isOn}
        disabled={!hasLoop}
        onClick={() => (isOn ? (player.trainer.value = null) : start())}
      >
        Tempo trainer
      </Button>
      {!hasLoop && <p class="quiet">The trainer needs a loop: double click a section, or drag on the ruler.</p>}
    </div>
  );
}
