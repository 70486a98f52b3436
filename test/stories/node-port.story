# a NodePort belongs to one Service in the cluster, for all protocols, until it is given back
apply
  apiVersion: v1
  kind: Service
  metadata: {name: web}
  spec: {type: NodePort, clusterIP: 10.96.0.80, ports: [{port: 80, nodePort: 30080}]}
get svc web
----
NAME   TYPE       CLUSTER-IP   EXTERNAL-IP   PORT(S)
web    NodePort   10.96.0.80   <none>        80:30080/TCP

apply
  apiVersion: v1
  kind: Service
  metadata: {name: other}
  spec: {type: NodePort, clusterIP: 10.96.0.81, ports: [{port: 80, nodePort: 30080}]}
----
error: Service "other" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated

apply
  apiVersion: v1
  kind: Service
  metadata: {name: other}
  spec: {type: NodePort, clusterIP: 10.96.0.81, ports: [{port: 80, nodePort: 30080, protocol: UDP}]}
----
error: Service "other" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated

# one Service may use it for both, and without a wish there is a free one
apply
  apiVersion: v1
  kind: Service
  metadata: {name: both}
  spec:
    type: NodePort
    clusterIP: 10.96.0.81
    ports: [{name: t, port: 53, nodePort: 30053}, {name: u, port: 53, nodePort: 30053, protocol: UDP}]
  ---
  apiVersion: v1
  kind: Service
  metadata: {name: any}
  spec: {type: NodePort, clusterIP: 10.96.0.82, ports: [{port: 80}]}
get svc
----
NAME         TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)
any          NodePort    10.96.0.82   <none>        80:<nodePort of any>/TCP
both         NodePort    10.96.0.81   <none>        53:30053/TCP,53:30053/UDP
kubernetes   ClusterIP   10.96.0.1    <none>        443/TCP
web          NodePort    10.96.0.80   <none>        80:30080/TCP

# outside the range
apply
  apiVersion: v1
  kind: Service
  metadata: {name: low}
  spec: {type: NodePort, ports: [{port: 80, nodePort: 80}]}
----
error: Service "low" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767

delete svc/web
apply
  apiVersion: v1
  kind: Service
  metadata: {name: next}
  spec: {type: NodePort, clusterIP: 10.96.0.83, ports: [{port: 80, nodePort: 30080}]}
get svc next
----
NAME   TYPE       CLUSTER-IP   EXTERNAL-IP   PORT(S)
next   NodePort   10.96.0.83   <none>        80:30080/TCP
