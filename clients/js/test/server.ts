import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject } from 'vitest'

/** A free loopback port: a server that is to come back needs the same one again. */
export async function freePort() {
  const s = createServer()
  await new Promise<void>((done) => s.listen(0, '127.0.0.1', done))
  const { port } = s.address() as { port: number }
  await new Promise((done) => s.close(done))
  return port
}

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms))

/** A real server on a real Redis. The server may be killed and started again. */
export class Server {
  private process?: ChildProcess
  private redis: ChildProcess
  private dir = mkdtempSync(join(tmpdir(), 'bellhop-data-'))
  private constructor(
    private port: number,
    private redisPort: number,
    private settings: Record<string, string>,
  ) {
    this.redis = spawn('redis-server', ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--dir', this.dir], { stdio: 'ignore' })
  }

  static async start(settings: Record<string, string> = {}) {
    const s = new Server(await freePort(), await freePort(), settings)
    await s.run()
    return s
  }

  get url() {
    return `http://127.0.0.1:${this.port}`
  }

  async run() {
    const env = { ...process.env, BELLHOP_ADDR: `127.0.0.1:${this.port}`, BELLHOP_REDIS_URL: `redis://127.0.0.1:${this.redisPort}`, BELLHOP_DATA_DIR: this.dir, BELLHOP_API_KEY: 'dev', BELLHOP_LOG_LEVEL: 'error', ...this.settings }
    const start = () => (this.process = spawn(inject('bellhop'), [], { env, stdio: ['ignore', 'ignore', 'inherit'] }))
    for (let i = 0, p = start(); ; i++) {
      // It ends where Redis is not up yet.
      if (p.exitCode !== null) p = start()
      const ready = await fetch(`${this.url}/readyz`).then((r) => r.ok, () => false)
      if (ready) return
      if (i > 300) throw new Error('the server does not come up')
      await pause(100)
    }
  }

  /** Ends the process by a signal and waits for it. */
  async kill(signal: NodeJS.Signals = 'SIGKILL') {
    const p = this.process
    if (!p || p.exitCode !== null || p.signalCode !== null) return
    const gone = new Promise((done) => p.once('exit', done))
    p.kill(signal)
    await gone
  }

  async stop() {
    await this.kill('SIGTERM')
    this.redis.kill('SIGKILL')
    rmSync(this.dir, { recursive: true, force: true })
  }

  /** Calls the HTTP API as the host application. */
  async host<T>(method: string, path: string, body?: unknown): Promise<T> {
    const r = await fetch(`${this.url}/api/v1${path}`, { method, headers: { Authorization: 'Bearer dev', 'Content-Type': 'application/json' }, body: body === undefined ? undefined : JSON.stringify(body) })
    if (!r.ok) throw new Error(`${method} ${path}: ${r.status} ${await r.text()}`)
    return (await r.json()) as T
  }

  /** A participant's token. */
  async token(role: string, id: string, more: object = {}) {
    return (await this.host<{ token: string }>('POST', '/tokens', { role, id, name: id, ...more })).token
  }
}
