import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { freePort } from '../../clients/js/test/server.js'

/** A site of its own behind a real nginx, with Bellhop below a path: `deploy/nginx-path.conf`, but for where things are. */
export class Nginx {
  private process?: ChildProcess
  private dir = mkdtempSync(join(tmpdir(), 'bellhop-nginx-'))
  private constructor(private port: number) {}

  /** Strips: the prefix is taken off by nginx. Pages are the site's own, by their paths. */
  static async start(node: string, strips: boolean, path: string, pages: Record<string, string>) {
    const n = new Nginx(await freePort())
    for (const [path, html] of Object.entries(pages)) {
      mkdirSync(dirname(join(n.dir, 'www', path)), { recursive: true })
      writeFileSync(join(n.dir, 'www', path), html)
    }
    const changes: [string, string][] = [
      ['listen 80;', `listen 127.0.0.1:${n.port};`],
      ['    server 127.0.0.1:8082 max_fails=1 fail_timeout=5s;\n', ''],
      ['127.0.0.1:8081', new URL(node).host],
      ['/srv/www', join(n.dir, 'www')],
    ]
    if (strips) changes.push(['proxy_pass http://bellhop;', 'proxy_pass http://bellhop/;'], ['proxy_pass http://bellhop;', 'proxy_pass http://bellhop/websocket;'])
    let conf = readFileSync(join(import.meta.dirname, '../../deploy/nginx-path.conf'), 'utf8')
    for (const [from, to] of changes) {
      if (!conf.includes(from)) throw new Error(`nginx-path.conf does not say ${from}`)
      conf = conf.replace(from, to)
    }
    conf = conf.replaceAll('/support', path)
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((t) => `${t}_temp_path ${n.dir}/${t};`).join('\n')
    const user = process.getuid?.() === 0 ? 'user root;' : ''
    writeFileSync(join(n.dir, 'nginx.conf'), `${user}\ndaemon off;\npid ${n.dir}/pid;\nevents {}\nhttp {\ntypes { text/html html; }\naccess_log off;\n${temp}\n${conf}}\n`)
    const program = execFileSync('sh', ['-c', 'command -v nginx || echo /usr/sbin/nginx'], { encoding: 'utf8' }).trim()
    n.process = spawn(program, ['-p', n.dir, '-c', join(n.dir, 'nginx.conf'), '-e', 'stderr'], { stdio: ['ignore', 'ignore', 'inherit'] })
    for (let i = 0; !(await fetch(n.url).then(() => true, () => false)); i++) {
      if (i > 100) throw new Error('nginx does not come up')
      await new Promise((done) => setTimeout(done, 50))
    }
    return n
  }

  get url() {
    return `http://127.0.0.1:${this.port}`
  }

  async stop() {
    const p = this.process
    if (p?.exitCode === null) {
      const gone = new Promise((done) => p.once('exit', done))
      p.kill('SIGTERM')
      await gone
    }
    rmSync(this.dir, { recursive: true, force: true })
  }
}
