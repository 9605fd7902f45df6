/** A list in an order that dragging and buttons change. */

import "./ordered-list.css";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Button } from "./components.tsx";
import { moved } from "./reorder.ts";

interface OrderedListProps<T> {
  readonly label: string;
  readonly entries: readonly T[];
  readonly nameOf: (entry: T) => string;
  readonly isEditable: boolean;
  readonly onOrder: (entries: readonly T[]) => void;
  readonly onRemove: (entry: T, index: number) => void;
  /** Shows an entry. */
  readonly children: (entry: T, index: number) => ComponentChildren;
}

export function OrderedList<T extends { readonly id: string }>({
  label,
  entries,
  nameOf,
  isEditable,
  onOrder,
  onRemove,
  children,
}: OrderedListProps<T>) {
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
    const entry = changed[to];
    if (entry) say(`${nameOf(entry)} is number ${to + 1} of ${entries.length} now.`);
  };
  const keys = entries.map(
    ({ id }, index) => `${id} ${entries.slice(0, index).filter((each) => each.id === id).length}`,
  );
  const end = () => {
    drag(null);
    setOver(null);
  };
  return (
    <>
      <ol class="panel list entries" aria-label={label} ref={list}>
        {entries.map((entry, index) => (
          <li
            key={keys[index]}
            data-id={entry.id}
            draggable={isEditable}
            class={dragClass(index, dragged, over)}
            onDragStart={(event) => {
              event.dataTransfer?.setData("text/plain", nameOf(entry));
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
            <span class="entry">
              <span class="number quiet">{index + 1}</span>
              {children(entry, index)}
            </span>
            {isEditable && (
              <span class="row entry-tools">
                <span class="up">
                  <Button
                    label={`Move ${nameOf(entry)} up`}
                    icon="up"
                    look="quiet"
                    disabled={index === 0}
                    onClick={() => step(index, index - 1)}
                  />
                </span>
                <span class="down">
                  <Button
                    label={`Move ${nameOf(entry)} down`}
                    icon="down"
                    look="quiet"
                    disabled={index === entries.length - 1}
                    onClick={() => step(index, index + 1)}
                  />
                </span>
                <Button
                  label={`Remove ${nameOf(entry)}`}
                  icon="close"
                  look="quiet"
                  onClick={() => onRemove(entry, index)}
                />
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

function dragClass(index: number, dragged: number | null, over: number | null): string {
  if (index === dragged) return "dragged";
  if (index !== over || dragged === null) return "";
  return over < dragged ? "drop-before" : "drop-after";
}
