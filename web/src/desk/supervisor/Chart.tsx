import { theme } from 'antd'
import { BarChart, LineChart } from 'echarts/charts'
import { GridComponent, LegendComponent, TooltipComponent } from 'echarts/components'
import { init, use as register } from 'echarts/core'
import { CanvasRenderer } from 'echarts/renderers'
import { useEffect, useRef } from 'react'
import { useT } from '../../lib/i18n'

register([BarChart, LineChart, GridComponent, LegendComponent, TooltipComponent, CanvasRenderer])

interface Props {
  title: string
  kind: 'line' | 'bar'
  unit?: string
  x: string[]
  series: { name: string; data: (number | null)[] }[]
}

/** A chart in the page's colours, and its numbers as a table for who does not see it. */
export function Chart({ title, kind, unit, x, series }: Props) {
  const t = useT()
  const { token } = theme.useToken()
  const empty = series.every((s) => s.data.every((v) => !v))
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const el = box.current
    if (!el) return
    const chart = init(el)
    const resized = new ResizeObserver(() => chart.resize())
    resized.observe(el)
    chart.setOption({
      animation: false,
      color: [token.colorPrimary, '#3b82f6', '#f59e0b', '#ef4444'],
      textStyle: { color: token.colorTextSecondary },
      grid: { left: 8, right: 12, top: 36, bottom: 4, containLabel: true },
      legend: { top: 0, textStyle: { color: token.colorText } },
      // The tooltip is drawn with textContent: names are whatever people call themselves.
      tooltip: { trigger: 'axis', renderMode: 'richText', valueFormatter: (v: unknown) => (v == null ? '—' : `${Math.round(Number(v) * 10) / 10}${unit ? ` ${unit}` : ''}`) },
      xAxis: { type: 'category', data: x, axisLabel: { color: token.colorTextSecondary } },
      yAxis: { type: 'value', minInterval: 1, axisLabel: { color: token.colorTextSecondary }, splitLine: { lineStyle: { color: token.colorBorderSecondary } } },
      series: series.map((s) => ({ ...s, type: kind, connectNulls: false, symbolSize: 6, barMaxWidth: 28 })),
    })
    return () => {
      resized.disconnect()
      chart.dispose()
    }
  }, [kind, series, token, unit, x])
  return (
    <figure className="sup-chart">
      <figcaption>{title}</figcaption>
      <div ref={box} aria-hidden="true" />
      {empty && <p className="sup-empty">{t('sup.empty')}</p>}
      <table className="sup-hidden">
        <caption>{title}</caption>
        <thead><tr><th />{series.map((s) => <th key={s.name}>{s.name}</th>)}</tr></thead>
        <tbody>{x.map((label, i) => <tr key={`${label} ${i}`}><th>{label}</th>{series.map((s) => <td key={s.name}>{s.data[i]}</td>)}</tr>)}</tbody>
      </table>
    </figure>
  )
}
