# a headless Service answers with its ready Pods only
apply
  apiVersion: v1
  kind: Service
  metadata: {name: db}
  spec: {clusterIP: None, selector: {app: db}, ports: [{name: pg, port: 5432}]}
  ---
  apiVersion: v1
  kind: Pod
  metadata: {name: db-0, labels: {app: db}}
  spec:
    hostname: db-0
    subdomain: db
    containers: [{name: db, image: postgres, readinessProbe: {tcpSocket: {port: 5432}}}]
  ---
  apiVersion: v1
  kind: Pod
  metadata: {name: db-1, labels: {app: db}}
  spec:
    hostname: db-1
    subdomain: db
    containers: [{name: db, image: postgres, readinessProbe: {tcpSocket: {port: 5432}}}]
get svc db
slices db
----
NAME   TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)
db     ClusterIP   None         <none>        5432/TCP
db-~a IPv4 pg:5432/TCP
  10.244.0.2 not-ready hostname=db-0 db-0 on n1
  10.244.0.3 not-ready hostname=db-1 db-1 on n1

# nobody is ready yet: for a headless Service that is as if the name did not exist
dig A db.default.svc.cluster.local
dig A db-0.db.default.svc.cluster.local
----
NXDOMAIN
NXDOMAIN

ready db-0
dig A db.default.svc.cluster.local
dig A db-0.db.default.svc.cluster.local
dig A db-1.db.default.svc.cluster.local
----
NOERROR
db.default.svc.cluster.local. 5 IN A 10.244.0.2
NOERROR
db-0.db.default.svc.cluster.local. 5 IN A 10.244.0.2
NXDOMAIN

ready db-1
dig A db.default.svc.cluster.local
dig SRV _pg._tcp.db.default.svc.cluster.local
dig PTR 10.244.0.3
----
NOERROR
db.default.svc.cluster.local. 5 IN A 10.244.0.2
db.default.svc.cluster.local. 5 IN A 10.244.0.3
NOERROR
_pg._tcp.db.default.svc.cluster.local. 5 IN SRV 0 50 5432 db-0.db.default.svc.cluster.local.
_pg._tcp.db.default.svc.cluster.local. 5 IN SRV 0 50 5432 db-1.db.default.svc.cluster.local.
;; ADDITIONAL
db-0.db.default.svc.cluster.local. 5 IN A 10.244.0.2
db-1.db.default.svc.cluster.local. 5 IN A 10.244.0.3
NOERROR
3.0.244.10.in-addr.arpa. 5 IN PTR db-1.db.default.svc.cluster.local.

# a Service that is asked for a type it has no address of: the name exists, the record does not
dig AAAA db.default.svc.cluster.local
----
NOERROR

delete pod/db-0
dig A db.default.svc.cluster.local
dig A db-0.db.default.svc.cluster.local
----
NOERROR
db.default.svc.cluster.local. 5 IN A 10.244.0.3
NXDOMAIN
