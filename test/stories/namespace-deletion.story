# deleting a namespace: first its Pods end, in their own time, then all that was in it goes, names too
create ns shop
apply -n shop
  apiVersion: apps/v1
  kind: Deployment
  metadata: {name: web}
  spec:
    replicas: 2
    selector: {matchLabels: {app: web}}
    template:
      metadata: {labels: {app: web}}
      spec:
        containers: [{name: web, image: echo, lifecycle: {preStop: {sleep: {seconds: 10}}}}]
  ---
  apiVersion: v1
  kind: Service
  metadata: {name: web}
  spec: {selector: {app: web}, clusterIP: 10.96.0.80, ports: [{port: 80}]}
get ns shop
slices web -n shop
dig A web.shop.svc.cluster.local
dig A shop.svc.cluster.local
----
NAME   STATUS
shop   Active
web-~a IPv4 80/TCP
  10.244.0.2 ready serving web-594ffc98f7-~a on n1
  10.244.0.3 ready serving web-594ffc98f7-~b on n1
NOERROR
web.shop.svc.cluster.local. 5 IN A 10.96.0.80
NOERROR

delete ns/shop
get ns shop
get svc -n shop
get pods -n shop
dig A web.shop.svc.cluster.local
dig A shop.svc.cluster.local
----
NAME   STATUS
shop   Terminating
NAME   TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)
web    ClusterIP   10.96.0.80   <none>        80/TCP
NAME                READY   STATUS        RESTARTS
web-594ffc98f7-~a   1/1     Terminating   0
web-594ffc98f7-~b   1/1     Terminating   0
NOERROR
web.shop.svc.cluster.local. 5 IN A 10.96.0.80
NOERROR

# nothing new may be made in it
apply -n shop
  apiVersion: v1
  kind: ConfigMap
  metadata: {name: late}
----
error: configmaps "late" is forbidden: unable to create new content in namespace shop because it is being terminated

# the Pods have ended: nothing is left, and the ClusterIP is free
wait 20s
get ns shop
dig A web.shop.svc.cluster.local
dig A shop.svc.cluster.local
apply
  apiVersion: v1
  kind: Service
  metadata: {name: heir}
  spec: {clusterIP: 10.96.0.80, ports: [{port: 80}]}
dig PTR 10.96.0.80
----
error: namespaces "shop" not found
NXDOMAIN
NXDOMAIN
NOERROR
80.0.96.10.in-addr.arpa. 5 IN PTR heir.default.svc.cluster.local.
