# the Pods of a StatefulSet keep their names when they come back with other addresses
apply
  apiVersion: v1
  kind: Service
  metadata: {name: db}
  spec: {clusterIP: None, selector: {app: db}, ports: [{port: 5432}]}
  ---
  apiVersion: apps/v1
  kind: StatefulSet
  metadata: {name: db}
  spec:
    serviceName: db
    replicas: 2
    selector: {matchLabels: {app: db}}
    template:
      metadata: {labels: {app: db}}
      spec: {containers: [{name: db, image: postgres}]}
get sts
slices db
dig A db-1.db.default.svc.cluster.local
----
NAME   READY
db     2/2
db-~a IPv4 5432/TCP
  10.244.0.2 ready serving hostname=db-0 db-0 on n1
  10.244.0.3 ready serving hostname=db-1 db-1 on n1
NOERROR
db-1.db.default.svc.cluster.local. 5 IN A 10.244.0.3

delete pod/db-1
slices db
dig A db-1.db.default.svc.cluster.local
----
db-~a IPv4 5432/TCP
  10.244.0.2 ready serving hostname=db-0 db-0 on n1
  10.244.0.4 ready serving hostname=db-1 db-1 on n1
NOERROR
db-1.db.default.svc.cluster.local. 5 IN A 10.244.0.4
