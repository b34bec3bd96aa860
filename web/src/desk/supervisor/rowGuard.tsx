import type { ComponentProps } from 'react'
import { Guard } from '../../lib/Guard'

/** A table's row that shows a line where one of its cells cannot be shown. */
function Row(props: ComponentProps<'tr'> & { 'data-row-key'?: string }) {
  return (
    <Guard of={props.children} name={`the row ${props['data-row-key']}`} within={(line) => <tr><td colSpan={100}>{line}</td></tr>}>
      <tr {...props} />
    </Guard>
  )
}

/** `components` of all tables here. */
export const guarded = { body: { row: Row } }
