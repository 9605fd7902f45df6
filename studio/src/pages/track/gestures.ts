/** Mouse, wheel and touch on the waveforms: seek, zoom, scroll, and the selection of a loop. */

import type { Signal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";
import type { Range } from "../../audio/timeline.ts";
import type { Player } from "./player.ts";

const WHEEL_ZOOM = 0.002;
const PINCH_WHEEL_ZOOM = 0.01;
const CLICK_PIXELS = 4;

/** Zoom with the wheel or two fingers, scroll sideways, and seek with a click. The wheel scrolls the page where it cannot zoom out. */
export function useGestures(ref: RefObject<HTMLElement | null>, player: Player): void {
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const fingers = new Map<number, number>();
    let pressedAt = 0;
    let moved = false;

    const onWheel = (event: WheelEvent) => {
      const wave = waveOf(event.target);
      const isSideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
      if (!wave || (player.showsAll && !isSideways && !event.ctrlKey && event.deltaY > 0)) return;
      event.preventDefault();
      if (isSideways) {
        player.scroll(event.deltaX || event.deltaY);
      } else {
        const step = event.ctrlKey ? PINCH_WHEEL_ZOOM : WHEEL_ZOOM;
        player.zoom(Math.exp(-event.deltaY * step), offset(event, wave));
      }
    };
    const onDown = (event: PointerEvent) => {
      if (!waveOf(event.target) || event.button !== 0) return;
      fingers.set(event.pointerId, event.clientX);
      pressedAt = event.clientX;
      moved = fingers.size > 1;
    };
    const onMove = (event: PointerEvent) => {
      const before = fingers.get(event.pointerId);
      const wave = waveOf(event.target);
      if (before === undefined || !wave) return;
      moved ||= Math.abs(event.clientX - pressedAt) > CLICK_PIXELS;
      const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
      if (other !== undefined) {
        const middle = (event.clientX + other) / 2 - wave.getBoundingClientRect().left;
        player.zoom(Math.max(1, Math.abs(event.clientX - other)) / Math.max(1, Math.abs(before - other)), middle);
      } else if (moved) {
        player.scroll(before - event.clientX);
      }
      fingers.set(event.pointerId, event.clientX);
    };
    const onUp = (event: PointerEvent) => {
      const wave = waveOf(event.target);
      if (fingers.delete(event.pointerId) && wave && !moved && event.type === "pointerup") {
        const { start, framesPerPixel } = player.view.value;
        player.seek(start + offset(event, wave) * framesPerPixel);
      }
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    element.addEventListener("pointerdown", onDown);
    element.addEventListener("pointermove", onMove);
    for (const type of ["pointerup", "pointercancel", "pointerleave"] as const) element.addEventListener(type, onUp);
    return () => {
      element.removeEventListener("wheel", onWheel);
      element.removeEventListener("pointerdown", onDown);
      element.removeEventListener("pointermove", onMove);
      for (const type of ["pointerup", "pointercancel", "pointerleave"] as const)
        element.removeEventListener(type, onUp);
    };
  }, [ref, player]);
}

/** Select a loop by dragging on the ruler. A click seeks, and a double click loops a saved loop or a bar. */
export function useLoopSelection(
  ref: RefObject<HTMLElement | null>,
  player: Player,
  dragged: Signal<Range | null>,
): void {
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    let from: number | null = null;
    const frameAt = (event: MouseEvent) => {
      const { start, framesPerPixel } = player.view.value;
      return start + offset(event, element) * framesPerPixel;
    };
    const onDown = (event: PointerEvent) => {
      if (event.button !== 0) return;
      element.setPointerCapture(event.pointerId);
      from = frameAt(event);
    };
    const onMove = (event: PointerEvent) => {
      if (from === null) return;
      const to = frameAt(event);
      const isClick = Math.abs(to - from) / player.view.value.framesPerPixel <= CLICK_PIXELS;
      const [start, end] = [player.snapped(Math.min(from, to)), player.snapped(Math.max(from, to))];
      dragged.value = isClick ? null : { start: Math.max(0, start), end: Math.min(end, player.frameCount) };
    };
    const onUp = (event: PointerEvent) => {
      if (from === null) return;
      onMove(event);
      if (dragged.value) player.setLoop(dragged.value.start, dragged.value.end);
      else player.seek(frameAt(event));
      onCancel();
    };
    const onCancel = () => {
      from = null;
      dragged.value = null;
    };
    const onDouble = (event: MouseEvent) => player.loopAround(frameAt(event));
    element.addEventListener("dblclick", onDouble);
    element.addEventListener("pointerdown", onDown);
    element.addEventListener("pointermove", onMove);
    element.addEventListener("pointerup", onUp);
    element.addEventListener("pointercancel", onCancel);
    return () => {
      element.removeEventListener("pointerdown", onDown);
      element.removeEventListener("pointermove", onMove);
      element.removeEventListener("pointerup", onUp);
      element.removeEventListener("pointercancel", onCancel);
      element.removeEventListener("dblclick", onDouble);
    };
  }, [ref, player, dragged]);
}

function waveOf(target: EventTarget | null): HTMLElement | null {
  return target instanceof Element ? target.closest<HTMLElement>("[data-seek]") : null;
}

function offset(event: MouseEvent, element: HTMLElement): number {
  return event.clientX - element.getBoundingClientRect().left;
}
