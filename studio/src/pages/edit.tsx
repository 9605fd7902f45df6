/** Edits and deletes one track or several. */

import { useRef, useState } from "preact/hooks";
import type { Track } from "../api/client.ts";
import { changeCover, deleteTracks, type Edit, editTracks, underway } from "../api/edits.ts";
import { useAction } from "../api/requests.ts";
import { TONICS } from "../music/keys.ts";
import { Button, Cover, Dialog, Notice } from "../ui/components.tsx";
import { Choice, Field, Form, Submit } from "../ui/forms.tsx";

const NAMES = TONICS.flatMap((tonic) => ["major", "minor"].map((mode) => `${tonic} ${mode}`));
const KEYS = [["", "unknown"], ...NAMES.map((name) => [name, name] as const)] as const;
/** The choice that leaves the key of each track as it is. */
const KEPT = "kept";
const MIN_TEMPO = 20;
const MAX_TEMPO = 400;
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
      {only?.file_path && <CoverChoice track={only} />}
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
            <Field
              label="Tempo in bpm"
              type="number"
              min={MIN_TEMPO}
              max={MAX_TEMPO}
              value={fields.bpm}
              onInput={set("bpm")}
            />
            <Button
              label="÷ 2: halve the tempo"
              disabled={Number(fields.bpm) < 2 * MIN_TEMPO}
              onClick={() => multiply(0.5)}
            >
              ÷ 2
            </Button>
            <Button
              label="× 2: double the tempo"
              disabled={!fields.bpm || Number(fields.bpm) > MAX_TEMPO / 2}
              onClick={() => multiply(2)}
            >
              × 2
            </Button>
          </>
        ) : (
          <Choice label="Tempo" value={fields.bpm} options={FACTORS} onInput={set("bpm")} />
        )}
        <Submit disabled={isBusy}>Save</Submit>
      </Form>
      {underway.value && <p role="status">{underway.value}</p>}
      {problem && <Notice look="bad">{problem}</Notice>}
    </Dialog>
  );
}

/** Changes the cover at once, so that its picture can be seen. */
function CoverChoice({ track }: { track: Track }) {
  const input = useRef<HTMLInputElement>(null);
  const { isBusy, problem, run } = useAction();
  return (
    <section aria-label="Cover">
      <div class="row">
        <Cover path={track.cover_path} isLarge />
        <Button label="Choose a cover" disabled={isBusy} onClick={() => input.current?.click()}>
          {isBusy ? "Please wait" : "Choose a cover"}
        </Button>
        {track.cover_path && (
          <Button
            label="Remove the cover"
            look="quiet"
            disabled={isBusy}
            onClick={() => void run(() => changeCover(track, null))}
          >
            Remove
          </Button>
        )}
        <input
          ref={input}
          class="hidden"
          type="file"
          accept="image/jpeg,image/png,image/webp"
          tabIndex={-1}
          aria-label="Picture for the cover"
          onChange={(event) => {
            const [picture] = event.currentTarget.files ?? [];
            if (picture) void run(() => changeCover(track, picture));
            event.currentTarget.value = "";
          }}
        />
      </div>
      {problem && <Notice look="bad">{problem}</Notice>}
    </section>
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
