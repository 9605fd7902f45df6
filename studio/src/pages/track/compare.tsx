/** Which separation plays, and with which other one it is compared. */

import type { components } from "../../api/schema.d.ts";
import { Button } from "../../ui/components.tsx";
import type { Player } from "./player.ts";

type Separation = components["schemas"]["FinishedSeparation"];

interface Props {
  readonly separations: readonly Separation[];
  /** IDs of the separation that plays, and of the other one; empty: none. */
  readonly own: string;
  readonly other: string;
  readonly player: Player;
  readonly onChoose: (own: string, other: string, position: number) => void;
}

export function Compare({ separations, own, other, player, onChoose }: Props) {
  if (separations.length < 2) return null;
  const choose = (a: string, b: string) => onChoose(a, b, player.position);
  const switchedCount = player.switched.value.size;
  return (
    <section class="compare row panel" aria-label="Compare separations">
      <Choice label="Separation A" value={own} separations={separations} onChange={(id) => choose(id, other)} />
      <Choice
        label="Separation B"
        value={other}
        separations={separations.filter(({ id }) => id !== own)}
        none="none"
        onChange={(id) => choose(own, id)}
      />
      {other && (
        <div class="row" role="group" aria-label="Heard in all lanes">
          <Button label="Hear A in all lanes" pressed={switchedCount === 0} onClick={() => player.switchTo(false)}>
            A
          </Button>
          <Button
            label="Hear B in all lanes"
            pressed={switchedCount === player.stems.length}
            onClick={() => player.switchTo(true)}
          >
            B
          </Button>
        </div>
      )}
    </section>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  separations: readonly Separation[];
  none?: string;
  onChange: (id: string) => void;
}

function Choice({ label, value, separations, none, onChange }: ChoiceProps) {
  return (
    <label class="field">
      {label}
      <select class="input" value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {none && <option value="">{none}</option>}
        {separations.map((separation) => (
          <option key={separation.id} value={separation.id}>
            {separation.model}, {separation.stem_types.length} stems
            {separation.completed_at && `, ${new Date(separation.completed_at).toLocaleString()}`}
          </option>
        ))}
      </select>
    </label>
  );
}
