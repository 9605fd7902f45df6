/** Edits and deletes one track or several. */

import { useState } from "preact/hooks";
import type { Track } from "../api/client.ts";
import { deleteTracks, type Edit, editTracks } from "../api/edits.ts";
import { useAction } from "../api/requests.ts";
import { TONICS } from "../music/keys.ts";
import { Button, Dialog, Notice } from "../ui/components.tsx";
import { Choice, Field, Form, Submit } from "../ui/forms.tsx";

const NAMES = TONICS.flatMap((tonic) => ["major", "minor"].map((mode) => `${tonic} ${mode}`));
const KEYS = [["", "unknown"], ...NAMES.map((name) => [name, name] as const)] as const;
/** The choice that leaves the key of each track as it is. */
const KEPT = "kept";
const FACTORS = [
  ["1", "unchanged"],
  ["0.5", "÷ 2"],
  ["2", "× 2"],
] as const;

export function EditDialog({ tracks, onClose }: { tracks: readonly Track[]; onClose: () => void }) {
  const only = tracks.length === 1 ? tracks[0] : undefined;
  const first = only
    ? { title: only.title, artist: only.artist ?? "", key: only.key ?? "", bpm: only.bpm ? tempoText(only.bpm) : "" }
    : { title: "", artist: "", key: KEPT, bpm: "1" };
  const [fields, setFields] = useState(first);
  const { isBusy, problem, run } = useAction();
  const set = (name: keyof typeof first) => (value: string) => setFields({ ...fields, [name]: value });
  const multiply = (factor: number) => set("bpm")(tempoText(Number(fields.bpm) * factor));

  const edit = (track: Track): Edit => {
    const { title, artist, key, bpm } = fields;
    const tempo = only ? (bpm ? Number(bpm) : null) : track.bpm && track.bpm * Number(bpm);
    return {
      ...(title !== first.title && { title }),
      ...(artist !== first.artist && { artist }),
      ...(key !== first.key && { key }),
      ...(bpm !== first.bpm && (only || tempo) && { bpm: tempo }),
    };
  };
  const save = async () => {
    const changed = tracks.filter((track) => Object.keys(edit(track)).length > 0);
    if (await run(() => editTracks(changed, edit))) onClose();
  };
  return (
    <Dialog title={only ? "Edit the track" : `Edit ${tracks.length} tracks`} onClose={onClose}>
      <Form label="Edit" onSubmit={() => void save()}>
        {only && <Field label="Title" value={fields.title} onInput={set("title")} required maxLength={500} />}
        <Field
          label="Artist"
          value={fields.artist}
          onInput={set("artist")}
          maxLength={500}
          placeholder={only ? "" : "unchanged"}
        />
        <Choice
          label="Key"
          value={fields.key}
          options={only ? KEYS : [[KEPT, "unchanged"], ...KEYS]}
          onInput={set("key")}
        />
        {only ? (
          <>
            <Field label="Tempo in bpm" type="number" min={20} max={400} value={fields.bpm} onInput={set("bpm")} />
            <Button label="÷ 2: halve the tempo" disabled={!fields.bpm} onClick={() => multiply(0.5)}>
              ÷ 2
            </Button>
            <Button label="× 2: double the tempo" disabled={!fields.bpm} onClick={() => multiply(2)}>
              × 2
            </Button>
          </>
        ) : (
          <Choice label="Tempo" value={fields.bpm} options={FACTORS} onInput={set("bpm")} />
        )}
        <Submit disabled={isBusy}>Save</Submit>
      </Form>
      {problem && <Notice look="bad">{problem}</Notice>}
    </Dialog>
  );
}

/** Buttons that edit and delete tracks. */
export function EditButtons({
  tracks,
  what,
  onDeleted,
}: {
  tracks: readonly Track[];
  what: string;
  onDeleted: () => void;
}) {
  const [isOpen, open] = useState(false);
  const remove = () => {
    deleteTracks(tracks);
    onDeleted();
  };
  return (
    <>
      <Button label={`Edit ${what}`} onClick={() => open(true)}>
        Edit
      </Button>
      <Button label={`Delete ${what}`} onClick={remove}>
        Delete
      </Button>
      {isOpen && <EditDialog tracks={tracks} onClose={() => open(false)} />}
    </>
  );
}

function tempoText(bpm: number): string {
  return String(Number(bpm.toFixed(2)));
}
