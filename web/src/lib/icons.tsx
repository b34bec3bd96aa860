// Outlines on a grid of 24, drawn for Bellhop.
const paths = {
  emoji: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8.5 10v.5M15.5 10v.5M8 14.5c1 1.6 2.4 2.4 4 2.4s3-.8 4-2.4',
  plus: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 8v8M8 12h8',
  voice: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9.5 9.5a3.5 3.5 0 0 1 0 5M12.2 7.5a6.4 6.4 0 0 1 0 9M7.2 11.5v1',
  keyboard: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8 10h.1M12 10h.1M16 10h.1M8 13h.1M16 13h.1M12 13h.1M9 16h6',
  picture: 'M4 5h16v14H4zM4 16l4.5-4.5 4 4L15 13l5 4.5M15.5 9h.1',
  file: 'M6 3h8l4 4v14H6zM14 3v4h4',
  send: 'M4 12l16-8-6 16-2.5-6.5z',
  reply: 'M10 7L4 12l6 5v-3c5 0 8 1 10 4 0-5-3-8.5-10-9z',
  copy: 'M9 9h11v11H9zM15 9V4H4v11h5',
  undo: 'M4 9h10a5 5 0 0 1 0 10h-3M4 9l4-4M4 9l4 4',
  retry: 'M5 12a7 7 0 1 1 2 5M5 12l-2-2M5 12l2-2',
  close: 'M6 6l12 12M18 6L6 18',
  more: 'M6 12h.1M12 12h.1M18 12h.1',
  down: 'M6 9l6 6 6-6',
  star: 'M12 3.5l2.6 5.4 5.9.8-4.3 4.1 1.05 5.9L12 16.9l-5.25 2.8 1.05-5.9L3.5 9.7l5.9-.8z',
  moon: 'M20 14A8 8 0 1 1 10 4a6.5 6.5 0 0 0 10 10z',
  globe: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18',
  bell: 'M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15zM10 20a2 2 0 0 0 4 0',
  chat: 'M4 5h16v11H10l-4 4v-4H4z',
  pulse: 'M3 12h4l2-6 4 12 3-8 1.5 2H21',
  chart: 'M4 20V4M4 20h16M8 16v-5M12 16V7M16 16v-7',
  list: 'M8 6h12M8 12h12M8 18h12M4 6h.1M4 12h.1M4 18h.1',
  search: 'M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM20 20l-5-5',
  gear: 'M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM12 3v3M12 18v3M3 12h3M18 12h3M5.6 5.6l2.2 2.2M16.2 16.2l2.2 2.2M18.4 5.6l-2.2 2.2M7.8 16.2l-2.2 2.2',
  sound: 'M4 10v4h4l5 4V6L8 10zM16 9a4 4 0 0 1 0 6M18.5 6.5a8 8 0 0 1 0 11',
  silent: 'M4 10v4h4l5 4V6L8 10zM16 10l5 4M21 10l-5 4',
  back: 'M15 5l-7 7 7 7',
  person: 'M12 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21a8 8 0 0 1 16 0',
  note: 'M5 4h14v10l-5 6H5zM14 20v-6h5M8 8h8M8 12h4',
} as const

export type IconName = keyof typeof paths

export function Icon({ name, size = 24, filled = false }: { name: IconName; size?: number; filled?: boolean }) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" fill={filled ? 'currentColor' : 'none'} stroke="currentColor" strokeWidth={name === 'more' ? 3 : 1.6} strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  )
}
