/** The clips of a playlist, in an order that dragging and buttons change. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { PlaylistWithTracks } from "../../api/client.ts";
import * as player from "../../player/player.ts";
import { Button } from "../../ui/components.tsx";
import { timeText } from "../../waveform/view.ts";
import { moved } from "./reorder.ts";

type Entry = PlaylistWithTracks["tracks"][number];

interface EntriesProps {
  readonly entries: readonly Entry[];
  readonly isEditable: boolean;
  readonly onPlay: (index: number) => void;
  readonly onOrder: (entries: readonly Entry[]) => void;
  readonly onRemove: (entry: Entry) => void;
}

export function Entries({ entries, isEditable, onPlay, onOrder, onRemove }: EntriesProps) {
  const [dragged, drag] = useState<number | null>(null);
  const [over, setOver] = useState<number | null>(null);
  const [said, say] = useState("");
  const list = useRef<HTMLOListElement>(null);
  const stepped = useRef<{ index: number; button: string } | null>(null);
  useEffect(() => {
    const { index, button } = stepped.current ?? {};
    stepped.current = null;
    // A button that moves with its entry loses the focus. At the end of the list, the other one takes it.
    const tools = index === undefined ? null : list.current?.children[index]?.querySelector(".entry-tools");
    const wanted = tools?.querySelector<HTMLElement>(`.${button} button:enabled`);
    (wanted ?? tools?.querySelector<HTMLElement>("button:enabled"))?.focus();
  }, [entries]);
  const step = (from: number, to: number) => {
    stepped.current = { index: to, button: to < from ? "up" : "down" };
    move(from, to);
  };
  const move = (from: number, to: number) => {
    const changed = moved(entries, from, to);
    if (changed === entries) return;
    onOrder(changed);
    say(`${changed[to]?.prompt} is number ${to + 1} of ${entries.length} now.`);
  };
  const end = () => {
    drag(null);
    setOver(null);
  };
  return (
    <>
      <ol class="panel list entries" aria-label="Clips of the playlist" ref={list}>
        {entries.map((entry, index) => (
          <li
            key={entry.id}
            data-id={entry.id}
            draggable={isEditable}
            class={dragClass(index, dragged, over)}
            onDragStart={(event) => {
              event.dataTransfer?.setData("text/plain", entry.prompt);
              drag(index);
            }}
            onDragOver={(event) => {
              if (dragged === null) return;
              event.preventDefault();
              setOver(index);
            }}
            onDrop={(event) => {
              event.preventDefault();
              if (dragged !== null) move(dragged, index);
              end();
            }}
            onDragEnd={end}
          >
            <EntryRow entry={entry} index={index} onPlay={onPlay} />
            {isEditable && (
              <span class="row entry-tools">
                <span class="up">
                  <Button
                    label={`Move ${entry.prompt} up`}
                    icon="up"
                    look="quiet"
                    disabled={index === 0}
                    onClick={() => step(index, index - 1)}
                  />
                </span>
                <span class="down">
                  <Button
                    label={`Move ${entry.prompt} down`}
                    icon="down"
                    look="quiet"
                    disabled={index === entries.length - 1}
                    onClick={() => step(index, index + 1)}
                  />
                </span>
                <Button label={`Remove ${entry.prompt}`} icon="close" look="quiet" onClick={() => onRemove(entry)} />
              </span>
            )}
          </li>
        ))}
      </ol>
      <p class="hidden" role="status">
        {said}
      </p>
    </>
  );
}

function EntryRow({ entry, index, onPlay }: { entry: Entry; index: number; onPlay: (index: number) => void }) {
  const isCurrent = player.current.value?.id === entry.id;
  const isPlaying = isCurrent && player.state.value !== "paused";
  return (
    <span class="entry">
      <span class="number quiet">{index + 1}</span>
      <Button
        label={`${isPlaying ? "Pause" : "Play"} ${entry.prompt}`}
        icon={isPlaying ? "pause" : "play"}
        look="quiet"
        pressed={isCurrent}
        onClick={isCurrent ? player.toggle : () => onPlay(index)}
      />
      <span class="title">{entry.prompt}</span>
      <span class="number quiet">{timeText(entry.duration)}</span>
    </span>
  );
}

function dragClass(index: number, dragged: number | null, over: number | null): string {
  if (index === dragged) return "dragged";
  if (index !== over || dragged === null) return "";
  return over < dragged ? "drop-before" : "drop-after";
}
