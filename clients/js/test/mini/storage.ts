/** A mini program's storage: 1 MB a key, 10 MB in all. */
export class Storage {
  kept = new Map<string, string>()

  api() {
    return {
      getStorageSync: (key: string): unknown => (this.kept.has(key) ? (JSON.parse(this.kept.get(key)!) as unknown) : ''),
      setStorageSync: (key: string, value: unknown) => {
        const text = JSON.stringify(value)
        if (text.length > 1 << 20) throw new Error('setStorageSync:fail entry size limit reached')
        if ([...this.kept.values()].join('').length + text.length > 10 << 20) throw new Error('setStorageSync:fail exceed storage max size 10Mb')
        this.kept.set(key, text)
      },
      removeStorageSync: (key: string) => void this.kept.delete(key),
      getStorageInfoSync: () => ({ keys: [...this.kept.keys()], currentSize: 1, limitSize: 10240 }),
    }
  }
}
