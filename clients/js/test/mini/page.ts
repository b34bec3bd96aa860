import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import type { Context } from 'node:vm'
import { Phone } from './phone.js'

export const root = join(import.meta.dirname, '../../../wechat/miniprogram')

/** A page that was opened: its data as its view has them, and its handlers. */
export type Page<D> = { data: D; onShow(): void; onHide(): void; onUnload(): void } & Record<string, (e?: object) => void>

/** The example mini program, on a phone: its files as they are, `Page`, `App` and what else of `wx` it calls. */
export class App<D> {
  toasts: string[] = []
  sheet?: { itemList: string[]; success: (r: { tapIndex: number }) => void }
  title = ''
  clipboard = ''
  played: string[] = []
  picked: string[] = []
  recorded = { tempFilePath: '', duration: 0 }
  page!: Page<D>
  private app!: { client(): { close(): void } }
  private context: Context
  private modules = new Map<string, unknown>()

  constructor(
    readonly phone: Phone,
    language: string,
    bundle: string,
    config: object,
  ) {
    let stopped: (r: object) => void
    const audio = { src: '', stop() {}, destroy() {}, play: () => void this.played.push(audio.src) }
    Object.assign(phone.wx, {
      getAppBaseInfo: () => ({ language }),
      setNavigationBarTitle: (o: { title: string }) => void (this.title = o.title),
      showToast: (o: { title: string }) => void this.toasts.push(o.title),
      showActionSheet: (o: NonNullable<App<D>['sheet']>) => void (this.sheet = o),
      setClipboardData: (o: { data: string }) => void (this.clipboard = o.data),
      chooseMedia: (o: { success: (r: object) => void }) => o.success({ tempFiles: this.picked.map((tempFilePath) => ({ tempFilePath })) }),
      previewImage: () => {},
      createInnerAudioContext: () => audio,
      getRecorderManager: () => ({ start() {}, stop: () => stopped(this.recorded), onStop: (f: typeof stopped) => void (stopped = f), onError() {} }),
    })
    this.context = phone.context({
      getApp: () => this.app,
      App: (app: App<D>['app']) => void (this.app = app),
      Page: (page: Page<D>) => {
        const setData = (more: object) => {
          // As it crosses to the view: what is no JSON is lost.
          this.page.data = JSON.parse(JSON.stringify({ ...this.page.data, ...more })) as D
        }
        this.page = { ...page, setData } as never
      },
    })
    this.modules.set('bellhop-client', Phone.require(this.context, bundle))
    this.modules.set(join(root, 'config'), config)
    this.require(join(root, 'app'))
    this.require(join(root, 'pages/chat/chat'))
    phone.enter(() => {
      this.page['onLoad']!()
      this.page.onShow()
    })
  }

  require(path: string): unknown {
    if (!this.modules.has(path)) this.modules.set(path, Phone.require(this.context, readFileSync(`${path}.js`, 'utf8'), (to) => this.require(to.startsWith('.') ? normalize(join(dirname(path), to)) : to)))
    return this.modules.get(path)
  }

  /** As one touches an element that has these data. */
  tap(handler: string, dataset: object = {}) {
    this.phone.enter(() => this.page[handler]!({ currentTarget: { dataset } }))
  }

  write(text: string) {
    this.phone.enter(() => {
      this.page['typed']!({ detail: { value: text } })
      this.page['send']!()
    })
  }

  close() {
    this.page.onUnload()
    this.app.client().close()
  }
}
