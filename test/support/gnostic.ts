// Reads gnostic's protobuf of OpenAPI back into JSON, by descriptions of its messages written by hand:
// the part of openapiv2/OpenAPIv2.proto and openapiv3/OpenAPIv3.proto that our documents use.
import assert from 'node:assert/strict'
import protobuf from 'protobufjs'

type Json = Readonly<Record<string, unknown>>
/** By the message's name: its fields. */
type Messages = Readonly<Record<string, string>>

export const swaggerMessages: Messages = {
  Document: `string swagger=1; Info info=2; Paths paths=8; SchemaMap definitions=9;
    ParameterMap parameters=10; repeated ScopesMap security=12; SecurityMap security_definitions=13;`,
  Info: 'string title=1; string version=2;',
  Any: 'string yaml=2;',
  NamedAny: 'string name=1; Any value=2;',
  Paths: 'repeated NamedPathItem path=2;',
  NamedPathItem: 'string name=1; PathItem value=2;',
  PathItem: `Operation get=2; Operation put=3; Operation post=4; Operation delete=5;
    Operation options=6; Operation head=7; Operation patch=8; repeated ParametersItem parameters=9;`,
  Operation: `repeated string tags=1; string operation_id=5; repeated string produces=6;
    repeated string consumes=7; repeated ParametersItem parameters=8; Responses responses=9;
    repeated string schemes=10; repeated NamedAny vendor_extension=13;`,
  ParametersItem: 'oneof oneof { Parameter parameter=1; Reference json_reference=2; }',
  Reference: 'string _ref=1;',
  Parameter: 'oneof oneof { BodyParameter body_parameter=1; NonBody non_body_parameter=2; }',
  NonBody: 'oneof oneof { QueryParameter query=3; PathParameter path=4; }',
  BodyParameter: 'string name=2; string in=3; bool required=4; Schema schema=5;',
  QueryParameter:
    'bool required=1; string in=2; string name=4; string type=6; bool unique_items=20;',
  PathParameter:
    'bool required=1; string in=2; string name=4; string type=5; bool unique_items=19;',
  ParameterMap: 'repeated NamedParameter additional_properties=1;',
  NamedParameter: 'string name=1; Parameter value=2;',
  Responses: 'repeated NamedResponse response_code=1;',
  NamedResponse: 'string name=1; ResponseValue value=2;',
  ResponseValue: 'oneof oneof { Response response=1; }',
  Response: 'string description=1; SchemaItem schema=2;',
  SchemaItem: 'oneof oneof { Schema schema=1; }',
  Schema: `string _ref=1; string format=2; string title=3; string description=4; Any default=5;
    double multiple_of=6; double maximum=7; bool exclusive_maximum=8; double minimum=9;
    bool exclusive_minimum=10; int64 max_length=11; int64 min_length=12; string pattern=13;
    int64 max_items=14; int64 min_items=15; bool unique_items=16; int64 max_properties=17;
    int64 min_properties=18; repeated string required=19; repeated Any enum=20;
    SchemaOrBoolean additional_properties=21; Strings type=22; Items items=23; SchemaMap properties=25;
    repeated NamedAny vendor_extension=31;`,
  SchemaOrBoolean: 'oneof oneof { Schema schema=1; bool boolean=2; }',
  Items: 'repeated Schema schema=1;',
  SchemaMap: 'repeated NamedSchema additional_properties=1;',
  NamedSchema: 'string name=1; Schema value=2;',
  Strings: 'repeated string value=1;',
  ScopesMap: 'repeated NamedScopes additional_properties=1;',
  NamedScopes: 'string name=1; Scopes value=2;',
  Scopes: 'repeated string value=1;',
  SecurityMap: 'repeated NamedSecurity additional_properties=1;',
  NamedSecurity: 'string name=1; Security value=2;',
  Security: 'oneof oneof { ApiKey api_key_security=2; }',
  ApiKey: 'string type=1; string name=2; string in=3; string description=4;',
}

/** "XOrRef" stands for gnostic's XOrReference. */
export const openApiV3Messages: Messages = {
  Document: 'string openapi=1; Info info=2; Paths paths=4; Components components=5;',
  Info: 'string title=1; string version=6;',
  Any: 'string yaml=2;',
  NamedAny: 'string name=1; Any value=2;',
  Reference: 'string _ref=1;',
  Paths: 'repeated NamedPathItem path=1;',
  NamedPathItem: 'string name=1; PathItem value=2;',
  PathItem: `Operation get=4; Operation put=5; Operation post=6; Operation delete=7;
    Operation options=8; Operation head=9; Operation patch=10; repeated ParameterOrRef parameters=13;`,
  Operation: `repeated string tags=1; string operation_id=5; repeated ParameterOrRef parameters=6;
    BodyOrRef request_body=7; Responses responses=8; repeated NamedAny specification_extension=13;`,
  ParameterOrRef: 'oneof oneof { Parameter parameter=1; Reference reference=2; }',
  Parameter: 'string name=1; string in=2; bool required=4; SchemaOrRef schema=10;',
  BodyOrRef: 'oneof oneof { RequestBody request_body=1; Reference reference=2; }',
  RequestBody: 'MediaTypes content=2; bool required=3;',
  MediaTypes: 'repeated NamedMediaType additional_properties=1;',
  NamedMediaType: 'string name=1; MediaType value=2;',
  MediaType: 'SchemaOrRef schema=1;',
  Responses: 'repeated NamedResponse response_or_reference=2;',
  NamedResponse: 'string name=1; ResponseOrRef value=2;',
  ResponseOrRef: 'oneof oneof { Response response=1; Reference reference=2; }',
  Response: 'string description=1; MediaTypes content=3;',
  Components: 'SchemaMap schemas=1; SecurityMap security_schemes=7;',
  SecurityMap: 'repeated NamedSecurity additional_properties=1;',
  NamedSecurity: 'string name=1; SecurityOrRef value=2;',
  SecurityOrRef: 'oneof oneof { Security security_scheme=1; Reference reference=2; }',
  Security: 'string type=1; string name=3; string in=4;',
  SchemaMap: 'repeated NamedSchema additional_properties=1;',
  NamedSchema: 'string name=1; SchemaOrRef value=2;',
  SchemaOrRef: 'oneof oneof { Schema schema=1; Reference reference=2; }',
  Schema: `bool nullable=1; string title=9; double multiple_of=10; double maximum=11;
    bool exclusive_maximum=12; double minimum=13; bool exclusive_minimum=14; int64 max_length=15;
    int64 min_length=16; string pattern=17; int64 max_items=18; int64 min_items=19;
    bool unique_items=20; int64 max_properties=21; int64 min_properties=22;
    repeated string required=23; repeated Any enum=24; string type=25;
    repeated SchemaOrRef all_of=26; repeated SchemaOrRef one_of=27; repeated SchemaOrRef any_of=28;
    Schema not=29; Items items=30; SchemaMap properties=31;
    SchemaOrBoolean additional_properties=32; Default default=33; string description=34;
    string format=35; repeated NamedAny specification_extension=36;`,
  SchemaOrBoolean: 'oneof oneof { SchemaOrRef schema=1; bool boolean=2; }',
  Default: 'oneof oneof { double number=1; bool boolean=2; string string=3; }',
  Items: 'repeated SchemaOrRef schema=1;',
}

interface Pair {
  readonly name: string
  readonly value?: unknown
}

const extensions = /^(vendor|specification)_extension$/
const mapNames = new Set([
  'additional_properties',
  'response_code',
  'response_or_reference',
  'path',
])
const onlyOne = new Set(['Items', 'Strings'])
const camel = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())

/** A decoded message as the JSON it was made from. */
function toJson(type: protobuf.Type, value: Json): unknown {
  if (type.name === 'Any') return JSON.parse(String(value['yaml']))
  const fields = type.fieldsArray.filter(({ name }) => Object.hasOwn(value, name))
  const convert = (field: protobuf.Field, item: unknown) => {
    const inner = field.resolve().resolvedType
    return inner instanceof protobuf.Type ? toJson(inner, item as Json) : item
  }
  const read = (field: protobuf.Field): unknown => {
    const item = value[field.name]
    return Array.isArray(item) ? item.map((one) => convert(field, one)) : convert(field, item)
  }
  if (type.oneofsArray.length > 0) return fields[0] && read(fields[0])
  if (type.name === 'Scopes') return value['value'] ?? []
  if (onlyOne.has(type.name)) return (read(fields[0]!) as readonly unknown[])[0]
  const entries = fields.flatMap((field): (readonly [string, unknown])[] => {
    const pairs = field.type.startsWith('Named') && field.repeated
    if (!pairs || !(mapNames.has(field.name) || extensions.test(field.name))) {
      return [[field.name === '_ref' ? '$ref' : camel(field.name), read(field)]]
    }
    return (read(field) as readonly Pair[]).map(({ name, value: own }) => [name, own])
  })
  return Object.fromEntries(entries)
}

/** Throws when the bytes hold anything that the messages do not describe. */
export function readGnostic(messages: Messages, bytes: Buffer): unknown {
  const proto = Object.entries(messages).map(([name, fields]) => `message ${name} { ${fields} }`)
  const { root } = protobuf.parse(`syntax="proto3"; ${proto.join('\n')}`, { keepCase: true })
  const type = root.lookupType('Document')
  const decoded = type.toObject(type.decode(bytes), { longs: Number }) as Json
  assert.equal(type.encode(type.fromObject(decoded)).finish().length, bytes.length)
  return toJson(type, decoded)
}
