import { Component, type ReactNode } from 'react'
import { useT } from './i18n'

interface Props {
  /** What is shown: when it is another one, it is tried again. */
  of?: unknown
  /** What it is called where the failure is told. */
  name: string
  /** The element that the line must be in, where its parent takes no other. */
  within?: (line: ReactNode) => ReactNode
  children: ReactNode
}

interface State {
  of?: unknown
  broken: boolean
}

const told = new Set<string>()

/** Tells of a failure, once for each thing: a row comes and goes as one scrolls. */
function tell(name: string, e: unknown) {
  const what = `${name}: ${String(e)}`
  if (told.has(what) || told.size > 1000) return
  told.add(what)
  // eslint-disable-next-line no-console -- whoever looks into it looks there
  console.error(`Bellhop: cannot show ${name}`, e)
}

/** Shows a line in the place of what cannot be shown, so that all around it goes on. */
export class Guard extends Component<Props, State> {
  override state: State = { of: this.props.of, broken: false }

  static getDerivedStateFromError() {
    return { broken: true }
  }

  static getDerivedStateFromProps({ of }: Props, held: State): State | null {
    return of === held.of ? null : { of, broken: false }
  }

  override componentDidCatch(e: unknown) {
    tell(this.props.name, e)
  }

  override render() {
    const { within = (line) => line, children } = this.props
    return this.state.broken ? within(<Broken />) : children
  }
}

function Broken() {
  const t = useT()
  return <div className="bh-broken">{t('broken')}</div>
}
