/** Components of forms, tables and lists. `/studio/components` shows them. */

import "./forms.css";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useState } from "preact/hooks";
import { Button, Dialog, Notice } from "./components.tsx";

interface FieldProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  type?: "text" | "password" | "url" | "search" | "number";
  required?: boolean;
  /** The range of a number. */
  min?: number;
  max?: number;
  maxLength?: number;
  placeholder?: string;
  suggestions?: readonly string[];
}

/** A text field with its label above it. */
export function Field(props: FieldProps) {
  const id = useId();
  return (
    <div class="form-field">
      <label for={id}>{props.label}</label>
      <input
        id={id}
        class="input"
        type={(props.type ?? "text") as "text"}
        autoComplete="off"
        value={props.value}
        required={props.required ?? false}
        maxLength={props.maxLength ?? 4000}
        placeholder={props.placeholder ?? ""}
        min={props.min}
        max={props.max}
        step={props.type === "number" ? "any" : undefined}
        list={props.suggestions && `${id}-suggestions`}
        onInput={(event) => props.onInput(event.currentTarget.value)}
      />
      {props.suggestions && (
        <datalist id={`${id}-suggestions`}>
          {props.suggestions.map((text) => (
            <option key={text} value={text} />
          ))}
        </datalist>
      )}
    </div>
  );
}

interface NumberFieldProps {
  label: string;
  value: number | null;
  min: number;
  max: number;
  placeholder?: string;
  onInput: (value: number) => void;
  onClear?: () => void;
}

/** A whole number. With `onClear` it may stay empty. */
export function NumberField({ label, value, min, max, placeholder, onInput, onClear }: NumberFieldProps) {
  const id = useId();
  return (
    <div class="form-field">
      <label for={id}>{label}</label>
      <input
        id={id}
        class="input number"
        type="number"
        min={min}
        max={max}
        step={1}
        required={!onClear}
        placeholder={placeholder ?? ""}
        value={value ?? ""}
        onInput={(event) => {
          const typed = event.currentTarget.valueAsNumber;
          if (Number.isFinite(typed)) onInput(typed);
          else onClear?.();
        }}
      />
    </div>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  options: readonly (readonly [value: string, text: string])[];
  onInput: (value: string) => void;
  /** Hide the label, for tables whose heading says the same. */
  isCompact?: boolean;
  disabled?: boolean;
}

export function Choice({ label, value, options, onInput, isCompact = false, disabled = false }: ChoiceProps) {
  const id = useId();
  return (
    <div class="form-field">
      <label for={id} class={isCompact ? "hidden" : undefined}>
        {label}
      </label>
      <select
        id={id}
        class="input"
        value={value}
        disabled={disabled}
        onInput={(event) => onInput(event.currentTarget.value)}
      >
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}

/** A form that is sent with Enter, too. */
export function Form(props: { label: string; onSubmit: () => void; children: ComponentChildren }) {
  return (
    <form
      class="form"
      aria-label={props.label}
      onSubmit={(event) => {
        event.preventDefault();
        props.onSubmit();
      }}
    >
      {props.children}
    </form>
  );
}

export function Submit({ children, disabled = false }: { children: string; disabled?: boolean }) {
  return (
    <button type="submit" class="button primary" disabled={disabled}>
      {children}
    </button>
  );
}

/** Text to copy, such as a key or a command. */
export function Copyable({ label, text }: { label: string; text: string }) {
  const [state, setState] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text); // there is no clipboard on pages without HTTPS
      setState("Copied.");
    } catch {
      setState("The browser does not allow copying. Select the text and copy it.");
    }
  };
  return (
    <div class="copyable">
      <code aria-label={label} role="group">
        {text}
      </code>
      <Button label={`Copy: ${label}`} onClick={copy}>
        Copy
      </Button>
      <span class="quiet" role="status">
        {state}
      </span>
    </div>
  );
}

interface ConfirmProps {
  /** What the button does, with the name of its object. */
  label: string;
  text: string;
  /** What cannot be undone. */
  question: string;
  onConfirm: () => void;
  disabled?: boolean;
}

/** A button that asks before it acts. */
export function Confirm({ label, text, question, onConfirm, disabled = false }: ConfirmProps) {
  const [isOpen, open] = useState(false);
  const confirm = () => {
    open(false);
    onConfirm();
  };
  return (
    <>
      <Button label={label} disabled={disabled} onClick={() => open(true)}>
        {text}
      </Button>
      {isOpen && (
        <Dialog title={label} onClose={() => open(false)}>
          <p class="dialog-text">{question}</p>
          <div class="row">
            <Button label={text} look="primary" onClick={confirm}>
              {text}
            </Button>
            <Button label="Cancel" onClick={() => open(false)}>
              Cancel
            </Button>
          </div>
        </Dialog>
      )}
    </>
  );
}

/** A time in the language and zone of the browser. */
export function Time({ at, none = "never" }: { at: string | null | undefined; none?: string }) {
  if (!at) return <span class="quiet">{none}</span>;
  return (
    <time dateTime={at} class="number">
      {new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}
    </time>
  );
}

interface PagerProps {
  meta: { readonly page: number; readonly total_count: number; readonly total_pages: number } | undefined;
  onPage: (page: number) => void;
  what: string;
}

export function Pager({ meta, onPage, what }: PagerProps) {
  if (!meta || (meta.total_pages <= 1 && meta.page === 1)) return null;
  return (
    <nav class="row apart" aria-label={`Pages of ${what}`}>
      <Button label={`Newer ${what}`} disabled={meta.page <= 1} onClick={() => onPage(meta.page - 1)}>
        Newer
      </Button>
      <span class="quiet number">
        page {meta.page} of {meta.total_pages}, {meta.total_count} in total
      </span>
      <Button label={`Older ${what}`} disabled={meta.page >= meta.total_pages} onClick={() => onPage(meta.page + 1)}>
        Older
      </Button>
    </nav>
  );
}

interface SectionProps {
  title: string;
  problem?: string;
  /** Show that the content is being loaded. */
  isLoading?: boolean;
  onRetry?: () => void;
  children: ComponentChildren;
}

/** A part of a page with its heading and its problem. */
export function Section({ title, problem, isLoading = false, onRetry, children }: SectionProps) {
  const id = useId();
  return (
    <section class="section" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {problem && (
        <Notice
          look="bad"
          action={
            onRetry && (
              <Button label="Try again" onClick={onRetry}>
                Try again
              </Button>
            )
          }
        >
          {problem}
        </Notice>
      )}
      {isLoading && !problem && <Loading />}
      {children}
    </section>
  );
}

/** A page whose subject is being loaded, or cannot be shown. */
export function Missing({ problem, action }: { problem: string; action: ComponentChildren }) {
  return (
    <div class="page">
      {problem ? (
        <Notice look="bad" action={action}>
          {problem}
        </Notice>
      ) : (
        <Loading />
      )}
    </div>
  );
}

/** Says that something is being loaded, if it takes more than a moment. */
export function Loading() {
  const [isSlow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), 300);
    return () => clearTimeout(timer);
  }, []);
  return (
    <p class="quiet" role="status">
      {isSlow ? "Loading…" : ""}
    </p>
  );
}

/** A table that scrolls sideways where it does not fit. */
export function Table(props: { label: string; columns: readonly string[]; children: ComponentChildren }) {
  return (
    <div class="panel table-frame" tabIndex={0} role="region" aria-label={props.label}>
      <table class="table">
        <thead>
          <tr>
            {props.columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </div>
  );
}
