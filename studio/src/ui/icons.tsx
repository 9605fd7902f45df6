/** Icons, drawn on a grid of 16 pixels. They are decoration: the control that contains one has the name. */

const SHAPES = {
  play: <path d="M4 2.5v11l9-5.5z" />,
  pause: <path d="M3.5 2.5h3v11h-3zM9.5 2.5h3v11h-3z" />,
  start: <path d="M2.5 2.5h2v11h-2zM13.5 2.5v11L5.5 8z" />,
  previous: <path d="M2.500 2.500h2v11h-2zM13.500 2.500v11L5.500 8z" />,
  next: <path d="M11.500 2.500h2v11h-2zM2.500 2.500v11L10.500 8z" />,
  list: <path d="M2 3h12v2H2zM2 7h12v2H2zM2 11h8v2H2z" />,
  up: <path d="M8 2.500 13.500 8H10v5.500H6V8H2.500z" />,
  down: <path d="M8 13.500 2.500 8H6V2.500h4V8h3.500z" />,
  heart: (
    <path
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      d="M8 13.500 2.800 8.200A3.200 3.200 0 0 1 7.300 3.700L8 4.400l.700-.700a3.200 3.200 0 0 1 4.500 4.500z"
    />
  ),
  more: <path d="M2 7h2.500v2.500H2zM6.800 7h2.500v2.500H6.800zM11.500 7H14v2.500h-2.500z" />,
  loop: (
    <path d="M11 1.5 14.500 4 11 6.500V5H5a2 2 0 0 0-2 2v1H1.500V7A3.500 3.500 0 0 1 5 3.500h6zM5 14.500 1.500 12 5 9.500V11h6a2 2 0 0 0 2-2V8h1.500v1a3.500 3.500 0 0 1-3.500 3.500H5z" />
  ),
  metronome: (
    <path d="M6 1.500h4l1 3.500 3-3 1 1-3.500 3.600L13.500 14.500h-11zM7 3 4.500 13h7l-.8-4.500-2.200 2.300-1-1 2.700-2.800L9 3z" />
  ),
  plus: <path d="M7 2.500h2V7h4.500v2H9v4.500H7V9H2.500V7H7z" />,
  minus: <path d="M2.500 7h11v2h-11z" />,
  close: (
    <path d="m3.500 2.300 4.500 4.500 4.500-4.500 1.200 1.200L9.200 8l4.500 4.500-1.200 1.200L8 9.200l-4.500 4.500-1.200-1.200L6.800 8 2.300 3.500z" />
  ),
  spectrogram: (
    <path d="M1.5 9h2v4.500h-2zM1.500 5h2v2.500h-2zM5.500 2h2v4h-2zM5.500 8h2v5.500h-2zM9.500 6h2v2h-2zM9.500 10h2v3.500h-2zM13 3h2v3h-2zM13 8h2v5.500h-2z" />
  ),
  notes: <path d="M1.500 10.500h5v2h-5zM5 6.500h4v2H5zM9.500 3h5v2h-5zM10.500 9.500h4v2h-4z" />,
  help: (
    <path d="M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1zm-.8 10v1.600h1.600V11zM8 3.500A2.500 2.500 0 0 0 5.500 6H7a1 1 0 1 1 1.500.9c-.8.4-1.300.9-1.300 2v.6h1.500v-.4c0-.5.2-.6.700-.9A2.500 2.500 0 0 0 8 3.500z" />
  ),
} as const;

export type IconName = keyof typeof SHAPES;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg viewBox="0 0 16 16" fill="currentColor" aria-hidden="true">
      {SHAPES[name]}
    </svg>
  );
}
