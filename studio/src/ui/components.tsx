/** The components of the design system. `/studio/components` shows all of them in all states. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import type { Job } from "../api/client.ts";
import { decibelText, MAX_DECIBELS, MIN_DECIBELS, panText, toDecibels, toGain } from "../audio/mix.ts";
import type { Level } from "../audio/strip.ts";
import { Icon, type IconName } from "./icons.tsx";

interface ButtonProps {
  /** The accessible name. Without `children`, a tooltip shows it. */
  label: string;
  onClick: () => void;
  icon?: IconName;
  children?: ComponentChildren;
  look?: "plain" | "primary" | "quiet";
  /** Makes a toggle. */
  pressed?: boolean;
  disabled?: boolean;
}

export function Button({ label, onClick, icon, children, look = "plain", pressed, disabled = false }: ButtonProps) {
  return (
    <button
      type="button"
      class={`button ${look}`}
      aria-label={label}
      title={label}
      aria-pressed={pressed}
      disabled={disabled}
      onClick={onClick}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

interface SliderProps {
  label: string;
  value: number;
  min: number;
  max: number;
  step: number;
  /** The value as text, for assistive technology and the tooltip. */
  text: string;
  /** Where a double click returns to. */
  neutral: number;
  /** Fill the track from the neutral value instead of from the lowest one. */
  isCentred?: boolean;
  onInput: (value: number) => void;
}

/** A native range input with a filled track. Arrow keys, Page Up, Page Down, Home and End move it. */
export function Slider({ label, value, min, max, step, text, neutral, isCentred = false, onInput }: SliderProps) {
  return (
    <input
      type="range"
      class="fader"
      aria-label={label}
      aria-valuetext={text}
      title={`${label}: ${text}`}
      min={min}
      max={max}
      step={step}
      value={value}
      style={fillOf(value, min, max, isCentred ? neutral : min)}
      onInput={(event) => onInput(event.currentTarget.valueAsNumber)}
      onDblClick={() => onInput(neutral)}
    />
  );
}

function fillOf(value: number, min: number, max: number, from: number): Record<string, string> {
  const percent = (point: number) => `${(100 * (point - min)) / (max - min)}%`;
  return { "--from": percent(Math.min(from, value)), "--to": percent(Math.max(from, value)) };
}

/** A fader in dB for a linear gain. */
export function Fader(props: { label: string; volume: number; onInput: (volume: number) => void }) {
  const decibels = Math.max(MIN_DECIBELS, toDecibels(props.volume));
  return (
    <Slider
      label={props.label}
      value={decibels}
      min={MIN_DECIBELS}
      max={MAX_DECIBELS}
      step={0.5}
      neutral={0}
      text={decibelText(decibels)}
      onInput={(value) => props.onInput(toGain(value))}
    />
  );
}

export function Pan(props: { label: string; pan: number; onInput: (pan: number) => void }) {
  return (
    <Slider
      label={props.label}
      value={props.pan}
      min={-1}
      max={1}
      step={0.05}
      neutral={0}
      isCentred
      text={panText(props.pan)}
      onInput={props.onInput}
    />
  );
}

/** A level meter of two channels. It reads `level` in every frame while `active`. */
export function LevelMeter({ label, level, active }: { label: string; level: () => Level; active: boolean }) {
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const bars = [...(element.current?.children ?? [])] as HTMLElement[];
    const shown = [0, 0];
    let frame = 0;
    const draw = () => {
      const { left, right } = active ? level() : { left: 0, right: 0 };
      [left, right].forEach((peak, channel) => {
        const share = Math.max(0, 1 - Math.max(MIN_DECIBELS, toDecibels(peak)) / MIN_DECIBELS);
        // A falling level falls slowly, so that the eye can read it.
        shown[channel] = Math.max(share, (shown[channel] ?? 0) - 0.02);
        bars[channel]?.style.setProperty("--level", `${Math.min(100, 100 * (shown[channel] ?? 0)).toFixed(1)}%`);
      });
      element.current?.setAttribute("aria-valuenow", String(Math.round(100 * Math.min(1, Math.max(left, right)))));
      if (active || shown.some((share) => share > 0)) frame = requestAnimationFrame(draw);
    };
    draw();
    return () => cancelAnimationFrame(frame);
  }, [level, active]);
  return (
    <div
      class="meter"
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={0}
      ref={element}
    >
      <i />
      <i />
    </div>
  );
}

export function Notice(props: { look?: "plain" | "bad"; children: ComponentChildren; action?: ComponentChildren }) {
  const isBad = props.look === "bad";
  return (
    <div class={`notice ${isBad ? "bad" : ""}`} role={isBad ? "alert" : "status"}>
      <p>{props.children}</p>
      {props.action}
    </div>
  );
}

export function ProgressBar({ label, percent }: { label: string; percent: number }) {
  return <progress class="progress" aria-label={label} max={100} value={percent} />;
}

const STATUS_LOOK: Record<string, string> = {
  queued: "",
  processing: "active",
  downloading: "active",
  completed: "good",
  failed: "bad",
};

export function JobBadge({ job }: { job: Pick<Job, "status" | "error"> }) {
  if (job.error === "cancelled") return <span class="badge">cancelled</span>;
  return <span class={`badge ${STATUS_LOOK[job.status] ?? ""}`}>{job.status}</span>;
}

export function Dialog(props: { title: string; onClose: () => void; children: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const opener = document.activeElement;
    element.current?.showModal();
    return () => {
      // The browser gives the focus back only if the dialog closes before it is removed.
      if (opener instanceof HTMLElement && document.activeElement === document.body) opener.focus();
    };
  }, []);
  return (
    <dialog class="dialog" ref={element} aria-labelledby={titleId} onClose={props.onClose}>
      <div class="row apart">
        <h2 id={titleId}>{props.title}</h2>
        <Button label="Close" icon="close" look="quiet" onClick={() => element.current?.close()} />
      </div>
      {props.children}
    </dialog>
  );
}

/** The cover of a track, or an empty square. The title beside it says what it is. */
export function Cover({ path, isLarge = false }: { path: string | null | undefined; isLarge?: boolean }) {
  const look = `cover ${isLarge ? "large" : ""}`;
  return path ? <img class={look} src={path} alt="" loading="lazy" /> : <span class={look} />;
}
