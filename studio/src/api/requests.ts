/** Requests of views: loading, paging, and actions with their problems. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { refusal } from "./client.ts";
import { onReconnected } from "./connection.ts";

interface Answer<T> {
  data?: T | undefined;
  error?: unknown;
  response: Response;
}

export interface Page<T> {
  readonly data: T;
  readonly meta: { readonly page: number; readonly total_count: number; readonly total_pages: number };
}

/** Return the body of a response. Throw an `ApiError` for a refusal. */
export async function bodyOf<T>(pending: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await pending;
  if (!response.ok) throw refusal(response.status, error);
  return data as T;
}

export interface Loaded<T> {
  readonly value: T | null;
  readonly problem: string;
  readonly reload: () => Promise<void>;
}

/** Load a value, and again when `load` changes. A value that was loaded stays until the next one arrives. */
export function useLoaded<T>(load: () => Promise<T>): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const [problem, setProblem] = useState("");
  const latest = useRef(0);
  const reload = useCallback(async () => {
    const round = ++latest.current;
    try {
      const loaded = await load();
      if (round !== latest.current) return;
      setValue(loaded);
      setProblem("");
    } catch (error) {
      if (round === latest.current) setProblem((error as Error).message);
    }
  }, [load]);
  useEffect(() => {
    void reload();
    return onReconnected(() => void reload());
  }, [reload]);
  return { value, problem, reload };
}

export interface Action {
  readonly isBusy: boolean;
  readonly problem: string;
  /** Run an operation after those that were begun before. Return whether it succeeded. */
  readonly run: (operation: () => Promise<unknown>) => Promise<boolean>;
}

/** Run operations one after the other, and keep the sentence of the last refusal. */
export function useAction(): Action {
  const [count, setCount] = useState(0);
  const [problem, setProblem] = useState("");
  const last = useRef<Promise<unknown>>(Promise.resolve());
  useEffect(() => onReconnected(() => setProblem("")), []); // the server answers again: what failed can be tried
  const run = useCallback((operation: () => Promise<unknown>) => {
    setCount((before) => before + 1);
    setProblem("");
    const turn = last.current.then(async () => {
      try {
        await operation();
        return true;
      } catch (error) {
        setProblem((error as Error).message);
        return false;
      } finally {
        setCount((before) => before - 1);
      }
    });
    last.current = turn;
    return turn;
  }, []);
  return { isBusy: count > 0, problem, run };
}

/** Call `update` every few seconds while the page is visible. */
export function useInterval(update: () => Promise<void>, seconds: number, isActive = true): void {
  useEffect(() => {
    if (!isActive) return;
    const timer = setInterval(() => {
      if (!document.hidden) void update();
    }, seconds * 1000);
    return () => clearInterval(timer);
  }, [update, seconds, isActive]);
}
