/** The saved loops of a track, in this browser. */

import { useState } from "preact/hooks";
import { Button } from "../../ui/components.tsx";
import type { Player } from "./player.ts";

export function Loops({ player }: { player: Player }) {
  const [name, setName] = useState("");
  const loop = player.loop.value;
  const loops = player.loops.value;
  const current = loops.find(({ start, end }) => start === loop?.start && end === loop.end);
  if (!loop && loops.length === 0) return null;
  const proposed = `Loop ${loops.length + 1}`;
  return (
    <section class="row" aria-label="Loops">
      {loops.map((saved) => (
        <span key={saved.name} class="saved-loop">
          <Button
            label={`Loop ${saved.name}`}
            pressed={saved === current}
            onClick={() => player.setLoop(saved.start, saved.end)}
          >
            {saved.name}
          </Button>
          <Button
            label={`Forget the loop ${saved.name}`}
            icon="close"
            look="quiet"
            onClick={() => player.forgetLoop(saved.name)}
          />
        </span>
      ))}
      {loop && !current && (
        <form
          class="row"
          onSubmit={(event) => {
            event.preventDefault();
            player.saveLoop(name.trim() || proposed);
            setName("");
          }}
        >
          <input
            class="input"
            aria-label="Name of the loop"
            placeholder={proposed}
            maxLength={40}
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
          <button class="button">Save the loop</button>
        </form>
      )}
    </section>
  );
}
