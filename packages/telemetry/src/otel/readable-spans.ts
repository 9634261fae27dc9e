/** Spans of the log in the form that OpenTelemetry's serializer takes. No SDK runs: nothing is sampled, and no context is global. */
import { type HrTime, SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api'
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import type { LogSpan } from './log-span.ts'

const KINDS = {
  internal: SpanKind.INTERNAL,
  client: SpanKind.CLIENT,
  consumer: SpanKind.CONSUMER,
  server: SpanKind.SERVER,
} as const

export interface ServiceNames {
  /** `service.name`. */
  readonly service: string
  /** `service.namespace`: the namespace of the cluster. */
  readonly namespace: string
}

/** `service.instance.id` is the node. */
export function resourceOf({ service, namespace }: ServiceNames, node: string | undefined): Resource {
  return resourceFromAttributes({
    'service.name': service,
    'service.namespace': namespace,
    ...(node !== undefined && { 'service.instance.id': node }),
  })
}

/** One resource per node: spans of one resource travel together. */
export function readableSpans(spans: readonly LogSpan[], names: ServiceNames): ReadableSpan[] {
  const resources = new Map<string, Resource>()
  return spans.map((span) => {
    const resource = resources.get(span.node ?? '') ?? resourceOf(names, span.node)
    resources.set(span.node ?? '', resource)
    return readable(span, resource)
  })
}

function readable(span: LogSpan, resource: Resource): ReadableSpan {
  const { traceId, spanId, parentId, error, links = [] } = span
  const attributes = error === undefined ? span.attributes : { ...span.attributes, 'error.type': error }
  return {
    name: span.name,
    kind: KINDS[span.kind],
    spanContext: () => contextOf(traceId, spanId),
    ...(parentId !== undefined && { parentSpanContext: contextOf(traceId, parentId) }),
    startTime: hrTime(span.startMs),
    endTime: hrTime(span.endMs),
    duration: hrTime(span.endMs - span.startMs),
    status: error === undefined ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: error },
    attributes,
    links: links.map((link) => ({ context: contextOf(link.traceId, link.spanId) })),
    events: [],
    ended: true,
    resource,
    instrumentationScope: { name: '@troupe/telemetry' },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  }
}

const contextOf = (traceId: string, spanId: string) => ({ traceId, spanId, traceFlags: TraceFlags.SAMPLED })

/** @param ms milliseconds with fractions */
export function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1_000)
  return [seconds, Math.round((ms - seconds * 1_000) * 1_000_000)]
}
