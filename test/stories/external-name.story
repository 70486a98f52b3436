# an ExternalName is an alias: no address, no endpoints, a CNAME
apply
  apiVersion: v1
  kind: Service
  metadata: {name: mail}
  spec: {type: ExternalName, externalName: mail.example.com}
get svc mail
slices mail
----
NAME   TYPE           CLUSTER-IP   EXTERNAL-IP        PORT(S)
mail   ExternalName   <none>       mail.example.com   <none>
no slices

# what is outside the cluster's zone is asked of the upstream; a client of the cluster gets both
dig A mail.default.svc.cluster.local
dig CNAME mail.default.svc.cluster.local
dig MX mail.default.svc.cluster.local
----
NOERROR
mail.default.svc.cluster.local. 5 IN CNAME mail.example.com.
;; upstream is asked for mail.example.com.
NOERROR
mail.default.svc.cluster.local. 5 IN CNAME mail.example.com.
NOERROR

# a name inside the zone is followed at once
apply
  apiVersion: v1
  kind: Service
  metadata: {name: web}
  spec: {clusterIP: 10.96.0.80, ports: [{port: 80}]}
  ---
  apiVersion: v1
  kind: Service
  metadata: {name: www}
  spec: {type: ExternalName, externalName: web.default.svc.cluster.local}
dig A www.default.svc.cluster.local
dig AAAA www.default.svc.cluster.local
----
NOERROR
web.default.svc.cluster.local. 5 IN A 10.96.0.80
www.default.svc.cluster.local. 5 IN CNAME web.default.svc.cluster.local.
NOERROR

# an alias of a name that is not there leads nowhere
delete svc/web
dig A www.default.svc.cluster.local
----
NOERROR

# an alias has to be a DNS name
apply
  apiVersion: v1
  kind: Service
  metadata: {name: wrong}
  spec: {type: ExternalName, externalName: "-mail"}
----
error: Service "wrong" is invalid: spec.externalName: Invalid value: "-mail": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
