# a node falls silent: its endpoints are not ready after 50 s, its Pods go after five minutes
cluster nodes=n1,n2
apply
  apiVersion: apps/v1
  kind: DaemonSet
  metadata: {name: web}
  spec:
    selector: {matchLabels: {app: web}}
    template:
      metadata: {labels: {app: web}}
      spec: {containers: [{name: web, image: echo}]}
  ---
  apiVersion: apps/v1
  kind: Deployment
  metadata: {name: api}
  spec:
    replicas: 1
    selector: {matchLabels: {app: api}}
    template:
      metadata: {labels: {app: api}}
      spec:
        containers: [{name: api, image: echo}]
        affinity:
          nodeAffinity:
            preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              preference: {matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [n2]}]}
  ---
  apiVersion: v1
  kind: Service
  metadata: {name: web}
  spec: {selector: {app: web}, clusterIP: None, ports: [{port: 80}]}
  ---
  apiVersion: v1
  kind: Service
  metadata: {name: api}
  spec: {selector: {app: api}, clusterIP: None, ports: [{port: 80}]}
slices web
slices api
----
web-~c IPv4 80/TCP
  10.244.0.2 ready serving web-~a on n1
  10.244.1.2 ready serving web-~b on n2
api-~a IPv4 80/TCP
  10.244.1.3 ready serving api-696f9f4958-~a on n2

silence n2
wait 60s
get nodes
slices web
slices api
dig A web.default.svc.cluster.local
----
NAME   STATUS     ROLES    VERSION
n1     Ready      <none>   v1.36.2
n2     NotReady   <none>   v1.36.2
web-~c IPv4 80/TCP
  10.244.0.2 ready serving web-~a on n1
  10.244.1.2 not-ready web-~b on n2
api-~a IPv4 80/TCP
  10.244.1.3 not-ready api-696f9f4958-~a on n2
NOERROR
web.default.svc.cluster.local. 5 IN A 10.244.0.2

# what tolerates the loss stays, what does not is made anew elsewhere; a Pod nobody can end stays terminating
wait 320s
get pods -o wide
slices api
----
NAME                READY   STATUS        RESTARTS   IP           NODE   NOMINATED NODE   READINESS GATES
api-696f9f4958-~a   1/1     Terminating   0          10.244.1.3   n2     <none>           <none>
api-696f9f4958-~b   1/1     Running       0          10.244.0.3   n1     <none>           <none>
web-~a              1/1     Running       0          10.244.0.2   n1     <none>           <none>
web-~b              1/1     Running       0          10.244.1.2   n2     <none>           <none>
api-~a IPv4 80/TCP
  10.244.0.3 ready serving api-696f9f4958-~b on n1
  10.244.1.3 terminating not-ready api-696f9f4958-~a on n2

speak n2
get nodes
get pods -o wide
slices web
slices api
----
NAME   STATUS   ROLES    VERSION
n1     Ready    <none>   v1.36.2
n2     Ready    <none>   v1.36.2
NAME                READY   STATUS    RESTARTS   IP           NODE   NOMINATED NODE   READINESS GATES
api-696f9f4958-~b   1/1     Running   0          10.244.0.3   n1     <none>           <none>
web-~a              1/1     Running   0          10.244.0.2   n1     <none>           <none>
web-~b              1/1     Running   0          10.244.1.2   n2     <none>           <none>
web-~c IPv4 80/TCP
  10.244.0.2 ready serving web-~a on n1
  10.244.1.2 ready serving web-~b on n2
api-~a IPv4 80/TCP
  10.244.0.3 ready serving api-696f9f4958-~b on n1
