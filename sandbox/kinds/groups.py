"""The fields of the kinds outside the core group that this server knows, in the same notation.

https://github.com/kubernetes/api/tree/v0.36.3
https://github.com/kubernetes/apiextensions-apiserver/blob/v0.36.3/pkg/apis/apiextensions/v1/types.go
"""

TYPES = """
Scale: spec:ScaleSpec status:ScaleStatus
ScaleSpec: replicas:int
ScaleStatus: replicas*:int selector

Deployment: spec:DeploymentSpec status:DeploymentStatus
DeploymentSpec: replicas:int selector*:LabelSelector template*:PodTemplateSpec
  strategy:DeploymentStrategy~ minReadySeconds:int revisionHistoryLimit:int paused:bool
  progressDeadlineSeconds:int
DeploymentStrategy: type rollingUpdate:RollingUpdateDeployment
RollingUpdateDeployment: maxUnavailable:ios maxSurge:ios
DeploymentStatus: observedGeneration:long replicas:int updatedReplicas:int readyReplicas:int
  availableReplicas:int unavailableReplicas:int terminatingReplicas:int
  conditions:[Condition/type] collisionCount:int

StatefulSet: spec:StatefulSetSpec status:StatefulSetStatus
StatefulSetSpec: replicas:int selector*:LabelSelector template*:PodTemplateSpec
  volumeClaimTemplates:[PersistentVolumeClaimTemplate] serviceName podManagementPolicy
  updateStrategy:StatefulSetUpdateStrategy revisionHistoryLimit:int minReadySeconds:int
  persistentVolumeClaimRetentionPolicy:StatefulSetRetention ordinals:StatefulSetOrdinals
PersistentVolumeClaimTemplate: apiVersion kind metadata:ObjectMeta spec:PersistentVolumeClaimSpec
  status:PersistentVolumeClaimStatus
StatefulSetUpdateStrategy: type rollingUpdate:RollingUpdateStatefulSet
RollingUpdateStatefulSet: partition:int maxUnavailable:ios
StatefulSetRetention: whenDeleted whenScaled
StatefulSetOrdinals: start:int
StatefulSetStatus: observedGeneration:long replicas:int readyReplicas:int currentReplicas:int
  updatedReplicas:int currentRevision updateRevision collisionCount:int
  conditions:[Condition/type] availableReplicas:int

ReplicaSet: spec:ReplicaSetSpec status:ReplicaSetStatus
ReplicaSetSpec: replicas:int minReadySeconds:int selector*:LabelSelector template:PodTemplateSpec
ReplicaSetStatus: replicas:int fullyLabeledReplicas:int readyReplicas:int availableReplicas:int
  terminatingReplicas:int observedGeneration:long conditions:[Condition/type]

ControllerRevision: data:any revision*:long

Job: spec:JobSpec status:JobStatus
JobSpec: parallelism:int completions:int activeDeadlineSeconds:long podFailurePolicy:any
  successPolicy:any backoffLimit:int backoffLimitPerIndex:int maxFailedIndexes:int
  selector:LabelSelector manualSelector:bool template*:PodTemplateSpec
  ttlSecondsAfterFinished:int completionMode suspend:bool podReplacementPolicy managedBy
JobStatus: conditions:[Condition/type] startTime:time completionTime:time active:int succeeded:int
  failed:int terminating:int completedIndexes failedIndexes uncountedTerminatedPods:any ready:int

Lease: spec:LeaseSpec
LeaseSpec: holderIdentity leaseDurationSeconds:int acquireTime:time renewTime:time
  leaseTransitions:int strategy preferredHolder

Event: eventTime:time series:EventSeries reportingController reportingInstance action reason
  regarding:ObjectReference related:ObjectReference note type deprecatedSource:EventSource
  deprecatedFirstTimestamp:time deprecatedLastTimestamp:time deprecatedCount:int

StorageClass: provisioner* parameters:{str} reclaimPolicy mountOptions:[str]
  allowVolumeExpansion:bool volumeBindingMode allowedTopologies:[any]
CSIDriver: spec:any

ValidatingWebhookConfiguration: webhooks:[ValidatingWebhook/name]
ValidatingWebhook: name* clientConfig*:WebhookClientConfig rules:[RuleWithOperations]
  failurePolicy matchPolicy namespaceSelector:LabelSelector objectSelector:LabelSelector
  sideEffects* timeoutSeconds:int admissionReviewVersions*:[str]
  matchConditions:[MatchCondition/name]
WebhookClientConfig: url service:ServiceReference caBundle:bytes
ServiceReference: namespace* name* path port:int
RuleWithOperations: operations:[str] apiGroups:[str] apiVersions:[str] resources:[str] scope
MatchCondition: name* expression*

Role: rules:[PolicyRule]
ClusterRole: rules:[PolicyRule] aggregationRule:AggregationRule
PolicyRule: verbs*:[str] apiGroups:[str] resources:[str] resourceNames:[str] nonResourceURLs:[str]
AggregationRule: clusterRoleSelectors:[LabelSelector]
RoleBinding: subjects:[Subject] roleRef*:RoleRef
ClusterRoleBinding: subjects:[Subject] roleRef*:RoleRef
Subject!: kind* apiGroup name* namespace
RoleRef!: apiGroup kind* name*

CustomResourceDefinition: spec:CustomResourceDefinitionSpec status:CustomResourceDefinitionStatus
CustomResourceDefinitionSpec: group* names*:CustomResourceDefinitionNames scope*
  versions*:[CustomResourceDefinitionVersion] conversion:CustomResourceConversion
  preserveUnknownFields:bool
CustomResourceDefinitionNames: plural* singular shortNames:[str] kind* listKind categories:[str]
CustomResourceDefinitionVersion: name* served*:bool storage*:bool deprecated:bool
  deprecationWarning schema:CustomResourceValidation subresources:CustomResourceSubresources
  additionalPrinterColumns:[CustomResourceColumnDefinition] selectableFields:[SelectableField]
CustomResourceValidation: openAPIV3Schema:any
CustomResourceSubresources: status:any scale:CustomResourceSubresourceScale
CustomResourceSubresourceScale: specReplicasPath* statusReplicasPath* labelSelectorPath
CustomResourceColumnDefinition: name* type* format description priority:int jsonPath*
SelectableField: jsonPath*
CustomResourceConversion: strategy* webhook:any
CustomResourceDefinitionStatus: conditions:[Condition/type]?
  acceptedNames:CustomResourceDefinitionNames storedVersions:[str] observedGeneration:long
"""
